"""Statistics that LeRobot normalises by: of numbers, and of images by channel."""

from __future__ import annotations

from typing import Any

import numpy as np

#: LeRobot's quantiles.
QUANTILES = {'q01': 0.01, 'q10': 0.1, 'q50': 0.5, 'q90': 0.9, 'q99': 0.99}
#: Larger images are thinned out, as LeRobot does.
_SIDE = 150

Stats = dict[str, list[Any]]


def number_stats(values: np.ndarray[Any, Any]) -> Stats:
    """Return the statistics of numbers, (n, d), by element; the quantiles are exact."""
    exact = values.astype(np.float64)
    stats = {
        'min': exact.min(axis=0),
        'max': exact.max(axis=0),
        'mean': exact.mean(axis=0),
        'std': exact.std(axis=0),
        'count': np.array([len(values)]),
    }
    found = np.quantile(exact, list(QUANTILES.values()), axis=0)
    stats |= dict(zip(QUANTILES, found, strict=True))
    return {name: each.tolist() for name, each in stats.items()}


class Histogram:
    """How often each value is there in each channel: everything else follows from it."""

    def __init__(self) -> None:
        self.counts = np.zeros((3, 256), np.int64)
        self.images = 0

    def take(self, pixels: np.ndarray[Any, Any], times: int = 1) -> None:
        """Take an image, uint8, (height, width, 3), that is shown so many times."""
        step = max(1, max(pixels.shape[:2]) // _SIDE)
        for channel in range(3):
            values = pixels[::step, ::step, channel].reshape(-1)
            self.counts[channel] += times * np.bincount(values, minlength=256)
        self.images += times

    def add(self, other: Histogram) -> None:
        """Take what another one has."""
        self.counts += other.counts
        self.images += other.images


def image_stats(histogram: Histogram) -> Stats:
    """Return the statistics of images by channel, shape (3, 1, 1), of values from 0 to 1."""
    level = np.arange(256) / 255
    counts = histogram.counts
    total = counts.sum(axis=1)
    mean = (counts * level).sum(axis=1) / total
    variance = (counts * (level - mean[:, None]) ** 2).sum(axis=1) / total
    there = counts > 0
    up_to = np.cumsum(counts, axis=1)
    stats = {
        'min': level[there.argmax(axis=1)],
        'max': level[255 - there[:, ::-1].argmax(axis=1)],
        'mean': mean,
        'std': np.sqrt(variance),
    }
    for name, share in QUANTILES.items():
        stats[name] = level[(up_to >= share * total[:, None]).argmax(axis=1)]
    found: Stats = {name: each.reshape(3, 1, 1).tolist() for name, each in stats.items()}
    return {**found, 'count': [histogram.images]}
