"""The robot and its room as a MuJoCo model.

Frames are those of REP 103 and REP 105: x forward, y left, z up; `base_link` lies on the floor
between the wheels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lk_dataset_ros.world.diff_drive.room import Obstacle, Room

#: Steps of the physics per second.
STEP_HZ: Final = 200
WHEEL_RADIUS_M: Final = 0.05
#: Between the wheels' middles.
WHEEL_SEPARATION_M: Final = 0.28
#: The robot is round, its middle behind the axle.
BODY_RADIUS_M: Final = 0.17
BODY_X_M: Final = -0.03
#: Where the lidar is above `base_link`.
LIDAR_Z_M: Final = 0.18
#: The group of geoms that the lidar sees.
SEEN_GROUP: Final = 1
_HEIGHT_M: Final = 0.5
_WALL_M: Final = 0.1

# Contacts: the body meets what stands in the room (bits 2, 4), wheels and caster the floor (1).
# Priority: without it a contact has the friction of the floor.
_MODEL: Final = """<mujoco model="diff_drive">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{timestep!r}" integrator="implicitfast" cone="pyramidal"/>
  <default>
    <default class="room"><geom contype="2" conaffinity="4" group="1"/></default>
    <default class="ground"><geom contype="1" conaffinity="1" group="2"/></default>
  </default>
  <worldbody>
    <light pos="0 0 6"/>
    <geom name="floor" type="plane" size="0 0 0.1" contype="1" conaffinity="1"/>
{room}
    <body name="base_link" pos="{x!r} {y!r} 0" euler="0 0 {yaw!r}">
      <freejoint name="base_link"/>
      <geom name="body" type="cylinder" size="{radius!r} 0.05" pos="{body_x!r} 0 0.09"
            mass="5" contype="4" conaffinity="2" group="2"/>
      <geom name="caster" class="ground" type="sphere" size="0.02" pos="-0.15 0 0.02"
            mass="0.1" condim="1" priority="1"/>
      <site name="imu_link" pos="0 0 0.09"/>
{wheels}
    </body>
  </worldbody>
  <actuator>
    <velocity name="left" joint="left" kv="0.3" forcerange="-0.4 0.4"/>
    <velocity name="right" joint="right" kv="0.3" forcerange="-0.4 0.4"/>
  </actuator>
  <sensor>
    <gyro site="imu_link"/>
    <accelerometer site="imu_link"/>
  </sensor>
</mujoco>
"""
# A sphere touches the floor in one point, in the middle of the wheel: a thin tyre.
_WHEEL: Final = """      <body name="{name}" pos="0 {y!r} {radius!r}">
        <joint name="{name}" axis="0 1 0" damping="0.001" armature="0.001"/>
        <geom class="ground" type="sphere" size="{radius!r}" mass="0.3" condim="4" priority="1"
              friction="0.9 0.002 0.0001"/>
      </body>"""


def mjcf(room: Room) -> str:
    """Return the model, every number to its last bit."""
    sides = (('left', WHEEL_SEPARATION_M / 2.0), ('right', -WHEEL_SEPARATION_M / 2.0))
    return _MODEL.format(
        timestep=1.0 / STEP_HZ,
        room='\n'.join([*_walls(room), *map(_geom, room.obstacles)]),
        x=room.start.x,
        y=room.start.y,
        yaw=room.start.yaw,
        radius=BODY_RADIUS_M,
        body_x=BODY_X_M,
        wheels='\n'.join(
            _WHEEL.format(name=name, y=y, radius=WHEEL_RADIUS_M) for name, y in sides
        ),
    )


def _walls(room: Room) -> list[str]:
    x, y = room.length / 2.0, room.width / 2.0
    thick = _WALL_M / 2.0
    return [_box(place, 0.0, 0.0, (thick, y + _WALL_M)) for place in (-x - thick, x + thick)] + [
        _box(0.0, place, 0.0, (x + _WALL_M, thick)) for place in (-y - thick, y + thick)
    ]


def _geom(each: Obstacle) -> str:
    if each.half_width:
        return _box(each.x, each.y, each.yaw, (each.half_length, each.half_width))
    return (
        f'    <geom class="room" type="cylinder" size="{each.half_length!r} {_HEIGHT_M / 2.0!r}" '
        f'pos="{each.x!r} {each.y!r} {_HEIGHT_M / 2.0!r}"/>'
    )


def _box(x: float, y: float, yaw: float, halves: tuple[float, float]) -> str:
    return (
        f'    <geom class="room" type="box" size="{halves[0]!r} {halves[1]!r} '
        f'{_HEIGHT_M / 2.0!r}" pos="{x!r} {y!r} {_HEIGHT_M / 2.0!r}" euler="0 0 {yaw!r}"/>'
    )
