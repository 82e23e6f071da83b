"""Datasets in the LeRobotDataset v3 layout.

As `lerobot.datasets` of LeRobot 0.4 reads it: frames and images in
`data/chunk-000/file-000.parquet`, episodes, tasks and statistics in `meta/`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.dataset.exports.episodes import Episode, episodes_of
from lk_dataset_ros.dataset.exports.lerobot_layout import (
    TASKS_AS_PANDAS,
    ImageStream,
    features_of_frames,
    schema_of,
    table_of,
)
from lk_dataset_ros.dataset.exports.lerobot_stats import Histogram, image_stats, number_stats
from lk_dataset_ros.dataset.exports.report import ResamplingReport
from lk_dataset_ros.dataset.exports.target import new_folder
from lk_dataset_ros.errors import ExportError
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.exports.sampling import Sampling

CODEBASE_VERSION = 'v3.0'
FILE_MB = 100
CHUNK_FILES = 1000
#: Bytes of images that are kept before they are written.
MAX_GROUP_BYTES = 128 * 1024 * 1024
_PATH = '{folder}/chunk-{chunk:03d}/file-{file:03d}.parquet'


def write_lerobot(
    datasets: Sequence[Dataset],
    path: str | PathLike[str],
    *,
    features: Mapping[str, Any],
    sampling: Sampling,
    task: str = '',
    robot_type: str | None = None,
    advance: Callable[[int], object] | None = None,
) -> ResamplingReport:
    """Write datasets as one LeRobotDataset: each becomes one or more episodes.

    Numbers become float32, as LeRobot's policies expect; images become PNG in the Parquet files,
    PNG and JPEG stay as they are.

    Args:
        datasets: Such as bags.
        path: The folder to be made; there must be nothing.
        features: Feature name -> signals: `observation.state`, `action`,
            `observation.images.front`.
        sampling: How frames are made; LeRobot wants whole frames per second.
        task: What the robot is told to do.
        robot_type: Such as `so100`.
        advance: Is told the number of frames written.

    Returns:
        What resampling has cost.

    Raises:
        BagExistsError: If there is something at the path.
        ExportError: If the features are not in a dataset.
        ExtraMissingError: If pyarrow is not here, or pillow where images came compressed.
    """
    require('pyarrow.parquet', 'arrow', 'a LeRobot dataset')
    if int(sampling.fps) != sampling.fps:
        raise ExportError(f'LeRobot wants whole frames per second, not {sampling.fps}')
    report = ResamplingReport()
    with new_folder(path) as folder:
        writer = _Writer(folder, int(sampling.fps), task, robot_type)
        try:
            for episode in episodes_of(datasets, features, sampling, report):
                writer.write(episode)
                if advance is not None:
                    advance(len(episode))
        finally:
            writer.close()
        writer.finish()
    return report


class _Writer:
    def __init__(self, folder: Path, fps: int, task: str, robot_type: str | None) -> None:
        self._pa = require('pyarrow', 'arrow', 'a LeRobot dataset')
        self._pq = require('pyarrow.parquet', 'arrow', 'a LeRobot dataset')
        self._folder = folder
        self._fps = fps
        self._task = task
        self._robot_type = robot_type
        self._features: dict[str, dict[str, Any]] = {}
        self._schema: Any = None
        self._file: Any = None
        self._file_bytes = 0
        self._chunk, self._number = 0, -1
        self._frames = 0
        self._episodes: list[dict[str, Any]] = []
        self._numbers: dict[str, list[np.ndarray[Any, Any]]] = {}
        self._images: dict[str, Histogram] = {}

    def write(self, episode: Episode) -> None:
        """Add an episode."""
        count, index = len(episode), len(self._episodes)
        images = {name: ImageStream(episode, name) for name in episode.images}
        if not self._features:
            shapes = {name: each.shape for name, each in images.items()}
            self._features = features_of_frames(episode, shapes)
            self._schema = schema_of(self._features)
        if self._file is None or self._file_bytes >= FILE_MB * 1024 * 1024:
            self._open()
        order = np.arange(count, dtype=np.int64)
        numbers: dict[str, np.ndarray[Any, Any]] = {
            name: values.astype(np.float32) for name, values in episode.numbers.items()
        }
        numbers |= {
            'timestamp': (order / self._fps).astype(np.float32).reshape(-1, 1),
            'frame_index': order.reshape(-1, 1),
            'episode_index': np.full((count, 1), index),
            'index': (self._frames + order).reshape(-1, 1),
            'task_index': np.zeros((count, 1), np.int64),
        }
        first = 0
        while first < count:
            files, size = self._take(images, count - first)
            end = first + (len(next(iter(files.values()))) if files else count - first)
            part = {name: values[first:end] for name, values in numbers.items()}
            self._file.write_table(table_of(self._schema, part, files))
            self._file_bytes += size + sum(values.nbytes for values in part.values())
            first = end
        for name, values in numbers.items():
            self._numbers.setdefault(name, []).append(values)
        stats = {name: number_stats(values) for name, values in numbers.items()}
        for name, stream in images.items():
            if stream.shape != tuple(self._features[name]['shape']):
                raise ExportError(
                    f'{episode.images[name].key} has images of {stream.shape} and '
                    f'{self._features[name]["shape"]}; a feature needs one size'
                )
            stats[name] = image_stats(stream.histogram)
            self._images.setdefault(name, Histogram()).add(stream.histogram)
        self._episodes.append(
            {
                'episode_index': index,
                'tasks': [self._task],
                'length': count,
                'data/chunk_index': self._chunk,
                'data/file_index': self._number,
                'dataset_from_index': self._frames,
                'dataset_to_index': self._frames + count,
                **{
                    f'stats/{name}/{kind}': value
                    for name, kinds in stats.items()
                    for kind, value in kinds.items()
                },
                'meta/episodes/chunk_index': 0,
                'meta/episodes/file_index': 0,
            }
        )
        self._frames += count

    def _take(
        self, images: dict[str, ImageStream], most: int
    ) -> tuple[dict[str, list[bytes]], int]:
        """Take files of the next frames, as many as may be kept at once."""
        if not images:
            return {}, 0
        files: dict[str, list[bytes]] = {name: [] for name in images}
        size = 0
        for _ in range(most):
            for name, stream in images.items():
                file = next(stream.files)
                size += len(file)
                files[name].append(file)
            if size > MAX_GROUP_BYTES:
                break
        return files, size

    def _open(self) -> None:
        self.close()
        self._number += 1
        if self._number == CHUNK_FILES:
            self._chunk, self._number = self._chunk + 1, 0
        name = _PATH.format(folder='data', chunk=self._chunk, file=self._number)
        self._file_bytes = 0
        self._file = self._writer(name, self._schema)

    def _writer(self, name: str, schema: Any) -> Any:
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        return self._pq.ParquetWriter(file, schema, compression='snappy')

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def finish(self) -> None:
        """Write what is known when all episodes are there."""
        if not self._episodes:
            raise ExportError('no episode is left: no frame has a sample of every key')
        pa = self._pa
        episodes = pa.Table.from_pylist(self._episodes)
        with self._writer(
            _PATH.format(folder='meta/episodes', chunk=0, file=0), episodes.schema
        ) as file:
            file.write_table(episodes)
        tasks = pa.table({'task_index': pa.array([0], pa.int64()), 'task': [self._task]})
        tasks = tasks.replace_schema_metadata({'pandas': json.dumps(TASKS_AS_PANDAS)})
        self._pq.write_table(tasks, self._folder / 'meta/tasks.parquet')
        stats = {name: number_stats(np.concatenate(all_)) for name, all_ in self._numbers.items()}
        stats |= {name: image_stats(each) for name, each in self._images.items()}
        self._write_json('meta/stats.json', stats)
        self._write_json('meta/info.json', self._info())

    def _info(self) -> dict[str, Any]:
        pattern = 'chunk-{chunk_index:03d}/file-{file_index:03d}'
        return {
            'codebase_version': CODEBASE_VERSION,
            'robot_type': self._robot_type,
            'total_episodes': len(self._episodes),
            'total_frames': self._frames,
            'total_tasks': 1,
            'chunks_size': CHUNK_FILES,
            'data_files_size_in_mb': FILE_MB,
            'video_files_size_in_mb': 200,
            'fps': self._fps,
            'splits': {'train': f'0:{len(self._episodes)}'},
            'data_path': f'data/{pattern}.parquet',
            'video_path': None,
            'features': self._features,
        }

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        text = json.dumps(content, indent=4, ensure_ascii=False)
        (self._folder / name).write_text(text, encoding='utf-8')
