"""Install the library and the lk command without ROS: pip install .

Metadata stands in pyproject.toml. The ROS package (nodes, messages, launch files) is built by
colcon from CMakeLists.txt.
"""

from setuptools import setup

setup()
