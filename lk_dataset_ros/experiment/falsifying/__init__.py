"""Falsifying examples: the shortest input that still shows a difference."""
