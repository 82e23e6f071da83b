"""Datasets as the HDF5 file that robomimic trains from.

As robomimic's documentation says (Datasets, Overview, Dataset Structure): `data/demo_0` and so on
with `obs`, `next_obs`, `actions`, `rewards`, `dones`, `states`; `mask/train`, `mask/valid`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.dataset.exports.episodes import Episode, episodes_of
from lk_dataset_ros.dataset.exports.images import pictures
from lk_dataset_ros.dataset.exports.mapping import ACTION, IMAGES, features_of
from lk_dataset_ros.dataset.exports.report import ResamplingReport
from lk_dataset_ros.dataset.exports.target import new_file
from lk_dataset_ros.errors import ExportError
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.exports.sampling import Sampling

#: robomimic's `EnvType.GYM_TYPE`: there is no simulator to be made from a recording.
_GYM_TYPE = 2


def write_robomimic(
    datasets: Sequence[Dataset],
    path: str | PathLike[str],
    *,
    features: Mapping[str, Any],
    sampling: Sampling,
    task: str = '',
    valid_ratio: float = 0.1,
    seed: int = 0,
    advance: Callable[[int], object] | None = None,
) -> ResamplingReport:
    """Write datasets as one robomimic file: each becomes one or more demonstrations.

    A frame becomes a sample together with the next one (`next_obs`), so that an episode of n
    frames has n - 1 samples. There is no reward: it is 0; `dones` is 1 at an episode's end.

    Args:
        datasets: Such as bags.
        path: The file to be made; there must be nothing.
        features: Feature name -> signals; `action` becomes `actions`, `observation.state` becomes
            `obs/state`, `observation.images.front` becomes `obs/front_image`.
        sampling: How frames are made.
        task: Name of the environment.
        valid_ratio: Share of the episodes that are for validation.
        seed: Of the choice of these.
        advance: Is told the number of frames written.

    Returns:
        What resampling has cost.

    Raises:
        BagExistsError: If there is something at the path.
        ExportError: If the features are not in a dataset, or there is no `action`.
        ExtraMissingError: If h5py is not here, or pillow where images came compressed.
    """
    h5py = require('h5py', 'hdf5', 'a robomimic file')
    checked = features_of(features)
    keys = observation_keys(list(checked))
    if not 0 <= valid_ratio < 1:
        raise ExportError(
            f'a share of {valid_ratio} of the episodes cannot be for validation; 0 to 0.99 can'
        )
    report = ResamplingReport()
    lengths: list[int] = []
    with new_file(path) as target, h5py.File(target, 'w') as file:
        data = file.create_group('data')
        for episode in episodes_of(datasets, checked, sampling, report):
            if len(episode) < 2:
                report.short += len(episode)
                report.episodes -= 1
                report.frames -= len(episode)
                continue
            group = data.create_group(f'demo_{len(lengths)}')
            _write(group, episode, keys)
            lengths.append(len(episode) - 1)
            if advance is not None:
                advance(len(episode))
        if not lengths:
            raise ExportError('no episode is left: no frame has a sample of every key')
        data.attrs['total'] = sum(lengths)
        data.attrs['env_args'] = json.dumps(
            {'env_name': task, 'env_type': _GYM_TYPE, 'env_kwargs': {}}
        )
        _write_masks(file, len(lengths), valid_ratio, seed, report)
    return report


def observation_keys(features: Sequence[str]) -> dict[str, str]:
    """Return the name of each feature in robomimic, the action left out.

    Raises:
        ExportError: If there is no action, no observation, or two get the same name.
    """
    if ACTION not in features:
        raise ExportError(
            f'robomimic needs a feature {ACTION}, such as /cmd_vel.linear.x; '
            f'there is {", ".join(features)}'
        )
    keys: dict[str, str] = {}
    for name in features:
        if name == ACTION:
            continue
        key = name.removeprefix('observation.')
        if name.startswith(IMAGES):
            key = f'{name.removeprefix(IMAGES)}_image'
        if key in keys.values():
            raise ExportError(f'two features would both be called {key}: rename {name}')
        keys[name] = key
    if not keys:
        raise ExportError('robomimic needs an observation, such as observation.state')
    return keys


def _write(group: Any, episode: Episode, keys: Mapping[str, str]) -> None:
    count = len(episode) - 1
    group.attrs['num_samples'] = count
    group.attrs['source'] = episode.dataset.name
    group['actions'] = episode.numbers[ACTION][:-1].astype(np.float32)
    group['rewards'] = np.zeros(count)
    dones = np.zeros(count, np.int64)
    dones[-1] = 1
    group['dones'] = dones
    group['states'] = np.zeros((count, 0))
    for name, values in episode.numbers.items():
        if name != ACTION:
            group[f'obs/{keys[name]}'] = values[:-1].astype(np.float32)
            group[f'next_obs/{keys[name]}'] = values[1:].astype(np.float32)
    for name, track in episode.images.items():
        now: Any = None
        later: Any = None
        first = 0
        for shown, picture in pictures(episode.dataset, track):
            pixels = picture.to_pixels()
            if now is None:
                size, chunk = (count, *pixels.shape), (1, *pixels.shape)
                options = {'dtype': np.uint8, 'chunks': chunk, 'compression': 'gzip'}
                now = group.create_dataset(f'obs/{keys[name]}', size, **options)
                later = group.create_dataset(f'next_obs/{keys[name]}', size, **options)
            elif pixels.shape != now.shape[1:]:
                raise ExportError(
                    f'{track.key} has images of {pixels.shape} and of {now.shape[1:]}; '
                    'an observation needs one size'
                )
            for index in range(first, first + shown):
                if index < count:
                    now[index] = pixels
                if index:
                    later[index - 1] = pixels
            first += shown


def _write_masks(
    file: Any, count: int, valid_ratio: float, seed: int, report: ResamplingReport
) -> None:
    """Write which demonstrations are for training and which for validation."""
    valid = round(valid_ratio * count)
    if valid_ratio and not valid:
        number = '1 episode is' if count == 1 else f'{count} episodes are'
        report.notes.append(
            f'{number} too few to keep some for validation: there is no mask valid'
        )
    chosen = set(np.random.default_rng(seed).permutation(count)[:valid].tolist())
    masks = {
        'train': [f'demo_{index}' for index in range(count) if index not in chosen],
        'valid': [f'demo_{index}' for index in sorted(chosen)],
    }
    for name, demos in masks.items():
        if demos:
            file[f'mask/{name}'] = np.array(demos, 'S')
