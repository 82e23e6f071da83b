"""CRC-32: ISA-L's, which is ten times as fast, or where that is missing the standard library's.

A sourced ROS 2 has no package of ISA-L that rosdep could install.
"""

from __future__ import annotations

try:
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

__all__ = ['crc32']
