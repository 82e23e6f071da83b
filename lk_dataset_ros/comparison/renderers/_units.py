"""Units of common fields, by the conventions of ROS (REP 103: SI)."""

from __future__ import annotations

import re

#: Pattern of the field path, pattern of the message type, unit; the first that matches counts.
_UNITS = (
    (r'linear_acceleration\.[xyz]', r'', 'm/s²'),
    (r'angular_velocity\.[xyz]', r'', 'rad/s'),
    (r'linear\.[xyz]', r'/Accel', 'm/s²'),
    (r'angular\.[xyz]', r'/Accel', 'rad/s²'),
    (r'linear\.[xyz]', r'/Twist|/Odometry', 'm/s'),
    (r'angular\.[xyz]', r'/Twist|/Odometry', 'rad/s'),
    (r'position\.[xyz]|translation\.[xyz]', r'', 'm'),
    (r'points?(\[\d*\])?\.[xyz]', r'geometry_msgs|nav_msgs|visualization_msgs', 'm'),
    (r'force\.[xyz]', r'', 'N'),
    (r'torque\.[xyz]', r'', 'N m'),
    (r'magnetic_field\.[xyz]', r'', 'T'),
    (r'ranges(\[\d*\])?|range(_min|_max)?', r'/LaserScan|/Range', 'm'),
    (r'angle(_min|_max|_increment)', r'/LaserScan', 'rad'),
    (r'scan_time|time_increment', r'/LaserScan', 's'),
    (r'fluid_pressure', r'', 'Pa'),
    (r'illuminance', r'', 'lx'),
    (r'voltage', r'/BatteryState', 'V'),
    (r'latitude|longitude', r'/NavSatFix', 'deg'),
    (r'altitude', r'/NavSatFix', 'm'),
    (r'steering_angle', r'/Ackermann', 'rad'),
    (r'speed', r'/Ackermann', 'm/s'),
)


def unit_of(type_name: str, path: str) -> str:
    """Return the unit of a field, empty where it is not known.

    Args:
        type_name: Type of the message, such as `sensor_msgs/msg/Imu`.
        path: Field path.
    """
    for field, kind, unit in _UNITS:
        if re.search(rf'(^|\.)({field})$', path) and re.search(kind, type_name):
            return unit
    return ''
