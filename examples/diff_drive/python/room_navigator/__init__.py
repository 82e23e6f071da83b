"""The example pair of a simulated world: a navigator in Python, and compiled to C++."""
