"""The example pair: an odometry smoother in Python, and compiled to C++."""
