"""Episodes: runs of frames on one clock, cut out of datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.dataset.exports.mapping import features_of, resolve
from lk_dataset_ros.dataset.exports.resampling import (
    Method,
    Partners,
    back_error,
    clock,
    frames_per_second,
    partners,
    runs,
    sampled,
    slerped,
)
from lk_dataset_ros.dataset.exports.samples import KeySamples, read_samples
from lk_dataset_ros.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction

    from numpy.typing import NDArray

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.exports.mapping import Resolved, Signal
    from lk_dataset_ros.dataset.exports.report import ResamplingReport
    from lk_dataset_ros.dataset.exports.sampling import Sampling


@dataclass(frozen=True, slots=True)
class Episode:
    """A run of frames.

    Attributes:
        dataset: Where it is from.
        time_ns: int64, (n,): times of the frames.
        numbers: float64, (n, d), of each feature of numbers.
        names: Of the elements of each feature of numbers.
        images: Of each feature of images, which message each frame shows.
    """

    dataset: Dataset
    time_ns: NDArray[np.int64]
    numbers: dict[str, NDArray[np.float64]]
    names: dict[str, tuple[str, ...]]
    images: dict[str, ImageTrack]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.time_ns)


@dataclass(frozen=True, slots=True)
class ImageTrack:
    """Which message of an image topic each frame shows.

    Attributes:
        key: Topic name.
        index: int64, (n,): among the key's messages in order of log time, ascending.
        log_time_ns: int64, (n,): when each was received.
        first: Index of the first message that was received when the first one was.
    """

    key: str
    index: NDArray[np.int64]
    log_time_ns: NDArray[np.int64]
    first: int


def episodes_of(
    datasets: Sequence[Dataset],
    features: Mapping[str, Any],
    sampling: Sampling,
    report: ResamplingReport,
) -> Iterator[Episode]:
    """Yield the episodes of datasets: one or more of each, cut where samples lack or at markers.

    Args:
        datasets: Such as bags.
        features: Feature name -> signals, the same for all.
        sampling: How frames are made.
        report: Takes what that costs.

    Raises:
        ExportError: If the features are not in a dataset, or not of the same shape in all.
    """
    if not isinstance(datasets, Sequence) or isinstance(datasets, str):
        raise ExportError('datasets is no list of datasets: give one of them as [dataset]')
    checked = features_of(features)
    names: dict[str, tuple[str, ...]] | None = None
    for dataset in datasets:
        resolved = resolve(dataset, checked)
        samples = read_samples(dataset, resolved, time=sampling.time)
        for episode in _episodes(dataset, resolved, samples, sampling, report):
            if names is not None and episode.names != names:
                feature = next(key for key in names if names[key] != episode.names[key])
                raise ExportError(
                    f'{feature} of {dataset.name} consists of {", ".join(episode.names[feature])}; '
                    f'that of what came before, of {", ".join(names[feature])}'
                )
            names = episode.names
            report.episodes += 1
            report.frames += len(episode)
            yield episode


def _episodes(
    dataset: Dataset,
    resolved: Resolved,
    samples: dict[str, KeySamples],
    sampling: Sampling,
    report: ResamplingReport,
) -> Iterator[Episode]:
    limit = None if sampling.max_age_s is None else round(sampling.max_age_s * 1e9)
    for frames in _segments(dataset, samples, sampling, frames_per_second(sampling.fps)):
        found: dict[str, dict[Method, Partners]] = {}
        all_found = np.ones(len(frames), bool)
        for key, each in samples.items():
            found[key] = {
                method: partners(each.times, frames, how, limit)
                for method in _methods(each, sampling.method)
                # What was sent once has nothing to be mixed with: it holds.
                for how in ['hold' if len(each.times) == 1 else method]
            }
            for one in found[key].values():
                all_found &= one.found
            lacking = int((~np.logical_and.reduce([p.found for p in found[key].values()])).sum())
            if lacking:
                report.dropped[key] = report.dropped.get(key, 0) + lacking
        for first, end in runs(all_found):
            if end - first < sampling.min_frames:
                report.short += end - first
                continue
            chosen = slice(first, end)
            parts = {
                key: {method: one.of(chosen) for method, one in each.items()}
                for key, each in found.items()
            }
            yield _episode(dataset, resolved, samples, sampling, frames[chosen], parts, report)


def _methods(samples: KeySamples, method: Method) -> set[Method]:
    """Return the methods by which a key's fields are brought onto the clock."""
    return {_method_of(block.values, method) for block in samples.blocks.values()} or {
        _step_method(method)
    }


def _method_of(values: NDArray[Any], method: Method) -> Method:
    return method if values.dtype.kind == 'f' else _step_method(method)


def _step_method(method: Method) -> Method:
    """Return the method for what cannot be mixed: integers, images."""
    return 'hold' if method == 'linear' else method


def _segments(
    dataset: Dataset, samples: dict[str, KeySamples], sampling: Sampling, fps: Fraction
) -> Iterator[NDArray[np.int64]]:
    """Yield the clocks of a dataset: one, or one from each marker to the next.

    A key that was sent once (a latched one) is held to the end; it does not end the clock.
    """
    start = max(int(each.times[0]) for each in samples.values())
    ends = [int(each.times[-1]) for each in samples.values() if len(each.times) > 1]
    stop = min(ends, default=start)
    if start > stop:
        late = max(samples, key=lambda key: int(samples[key].times[0]))
        early = min(samples, key=lambda key: int(samples[key].times[-1]))
        raise ExportError(
            f'{late} begins after {early} has ended in {dataset.name}: there is no time at which '
            'both are known'
        )
    cuts: list[int] = []
    if sampling.marker is not None:
        cuts = [int(time) for time in dataset.timestamps(sampling.marker) if start < time <= stop]
    for first, after in zip([start, *cuts], [*cuts, stop + 1], strict=True):
        yield clock(first, after - 1, fps)


def _episode(
    dataset: Dataset,
    resolved: Resolved,
    samples: dict[str, KeySamples],
    sampling: Sampling,
    frames: NDArray[np.int64],
    found: dict[str, dict[Method, Partners]],
    report: ResamplingReport,
) -> Episode:
    step = _step_method(sampling.method)
    for key, each in found.items():
        distances = [one.distance_ns for one in each.values()]
        report.add_distances(key, np.maximum.reduce(distances))
    numbers, names = {}, {}
    for feature, signals in resolved.numbers.items():
        made = [_made(each, samples, sampling, frames, found, report) for each in signals]
        numbers[feature] = np.concatenate(made, axis=1)
        names[feature] = tuple(
            name for each in signals for name in samples[each.key].blocks[each].names
        )
    images = {
        feature: _track(samples[key], key, found[key][step].before)
        for feature, key in resolved.images.items()
    }
    return Episode(dataset, frames, numbers, names, images)


def _made(
    signal: Signal,
    samples: dict[str, KeySamples],
    sampling: Sampling,
    frames: NDArray[np.int64],
    found: dict[str, dict[Method, Partners]],
    report: ResamplingReport,
) -> NDArray[np.float64]:
    """Return a signal's frames, and tell the report what it lost."""
    of_key = samples[signal.key]
    block = of_key.blocks[signal]
    method = _method_of(block.values, sampling.method)
    if method == 'linear' and sampling.slerp and block.rotation is not None:
        turned = slerped(block.rotation, found[signal.key][method])
        made = turned[:, block.part : block.part + 1]
    else:
        made = sampled(block.values, found[signal.key][method])
    errors = back_error(block.values, of_key.times, frames, made, method)
    for index, name in enumerate(block.names):
        report.add_errors(name, errors[:, index], block.values[:, index])
    return made


def _track(samples: KeySamples, key: str, index: NDArray[np.int64]) -> ImageTrack:
    log = samples.log_times
    if bool((np.diff(log) < 0).any()):
        raise ExportError(
            f"the header stamps of {key} are not in the order of its messages: use time='log'"
        )
    used = log[index]
    return ImageTrack(key, index, used, int(np.searchsorted(log, used[0])))
