"""What the frames of a LeRobotDataset look like: features, Parquet schema, image files."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.dataset.exports.images import pictures
from lk_dataset_ros.dataset.exports.lerobot_stats import Histogram
from lk_dataset_ros.errors import ExportError
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lk_dataset_ros.dataset.exports.episodes import Episode
    from lk_dataset_ros.dataset.exports.images import Picture

    Features = dict[str, dict[str, Any]]

#: Images of an episode, about, that its statistics are made of.
MAX_STATS_IMAGES = 100
#: LeRobot reads the tasks with pandas, as the index of a data frame.
TASKS_AS_PANDAS = {
    'index_columns': ['task'],
    'column_indexes': [],
    'columns': [
        {'name': name, 'field_name': name, 'pandas_type': kind, 'numpy_type': numpy}
        for name, kind, numpy in (
            ('task_index', 'int64', 'int64'),
            ('task', 'unicode', 'object'),
        )
    ],
}


def features_of_frames(episode: Episode, images: Mapping[str, tuple[int, ...]]) -> Features:
    """Return what `meta/info.json` says of each column; `images` has the shape of each image."""
    features: Features = {}
    for name, names in episode.names.items():
        features[name] = {'dtype': 'float32', 'shape': [len(names)], 'names': list(names)}
    for name, shape in images.items():
        axes = ['height', 'width', 'channels']
        features[name] = {'dtype': 'image', 'shape': list(shape), 'names': axes}
    features['timestamp'] = {'dtype': 'float32', 'shape': [1], 'names': None}
    for name in ('frame_index', 'episode_index', 'index', 'task_index'):
        features[name] = {'dtype': 'int64', 'shape': [1], 'names': None}
    return features


def schema_of(features: Features) -> Any:
    """Return the schema of the Parquet files."""
    pa = require('pyarrow', 'arrow', 'a LeRobot dataset')
    fields: list[tuple[str, Any]] = []
    described: dict[str, dict[str, Any]] = {}
    for name, feature in features.items():
        (size, *_), dtype = feature['shape'], feature['dtype']
        number = pa.float32() if dtype == 'float32' else pa.int64()
        value = {'dtype': dtype, '_type': 'Value'}
        if dtype == 'image':
            fields.append((name, pa.struct([('bytes', pa.binary()), ('path', pa.string())])))
            described[name] = {'_type': 'Image'}
        elif size == 1:
            fields.append((name, number))
            described[name] = value
        else:
            fields.append((name, pa.list_(number, size)))
            described[name] = {'feature': value, 'length': size, '_type': 'List'}
    # What Hugging Face's `datasets` keeps there: without it images are a struct of bytes.
    about = json.dumps({'info': {'features': described}})
    return pa.schema(fields, metadata={'huggingface': about})


def table_of(
    schema: Any, numbers: Mapping[str, np.ndarray[Any, Any]], files: Mapping[str, list[bytes]]
) -> Any:
    """Return frames as a table: numbers, (n, d), and files of images."""
    pa = require('pyarrow', 'arrow', 'a LeRobot dataset')
    arrays = []
    for field in schema:
        if field.name in files:
            packed = pa.array(files[field.name], pa.binary())
            paths = pa.nulls(len(packed), pa.string())
            arrays.append(pa.StructArray.from_arrays([packed, paths], ['bytes', 'path']))
            continue
        values = numbers[field.name]
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        is_scalar = values.shape[1] == 1
        arrays.append(
            flat if is_scalar else pa.FixedSizeListArray.from_arrays(flat, type=field.type)
        )
    return pa.table(arrays, schema=schema)


class ImageStream:
    """Image files of an episode, one a frame; statistics are gathered on the way.

    Attributes:
        shape: Of the images: height, width, 3.
        histogram: How often each value is there in each channel, of some of the images.
        files: Yields a file for each frame.
    """

    def __init__(self, episode: Episode, name: str) -> None:
        track = episode.images[name]
        self._key = track.key
        self._every = max(1, len(np.unique(track.index)) // MAX_STATS_IMAGES)
        found = pictures(episode.dataset, track)
        first = next(found)
        self.shape: tuple[int, ...] = first[1].to_pixels().shape
        self.histogram = Histogram()
        self.files = self._files(itertools.chain([first], found))

    def _files(self, found: Iterator[tuple[int, Picture]]) -> Iterator[bytes]:
        for number, (count, picture) in enumerate(found):
            if picture.pixels is not None or number % self._every == 0:
                pixels = picture.to_pixels()
                if pixels.shape != self.shape:
                    raise ExportError(
                        f'{self._key} has images of {pixels.shape} and of {self.shape}; '
                        'a feature needs one size'
                    )
                if number % self._every == 0:
                    self.histogram.take(pixels, count)
            file = picture.to_file()
            yield from itertools.repeat(file, count)
