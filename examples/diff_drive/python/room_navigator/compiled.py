"""The compiled ones: the same navigator in C++, and one with a gain that is off by 5 %."""

from __future__ import annotations

from typing import Any

from room_navigator import _navigator
from room_navigator.original import Navigator


class NavigatorCpp(Navigator):
    """Drive to a goal, around what the lidar sees; what is computed of a scan is in C++."""

    gain: float = 1.0

    def make_steering(self) -> Any:
        """Make what computes the commands."""
        settings = self.config.to_dict()
        settings['heading_gain'] *= self.gain
        return _navigator.Steering(**settings)


class NavigatorCppWrong(NavigatorCpp):
    """Deliberately wrong: its heading gain is too high by 5 %."""

    gain = 1.05
