"""Definitions of message types: parsed from `.msg` and IDL text, checked, bounded."""
