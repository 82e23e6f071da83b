"""A recording for the Rerun viewer: what differs as time series, images, and the verdict."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lk_dataset_ros.comparison.exports.choice import (
    MOST_FIELDS,
    Exported,
    keys_of,
    numeric_fields,
)
from lk_dataset_ros.comparison.exports.images import Shot, shots
from lk_dataset_ros.comparison.exports.series import has_stamps, series_of
from lk_dataset_ros.dataset.exports.target import new_file
from lk_dataset_ros.errors import ComparisonError, ExportError
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from lk_dataset_ros.comparison.result import (
        DatasetComparison,
        FieldComparison,
        KeyComparison,
    )

TIMELINE: Final = 'stamp'
#: Of pairs whose stamps are not known: they are counted.
PAIRS: Final = 'pair'
#: Pairs that go into one chunk of the recording.
_AT_ONCE = 65_536
#: Stamps from 2001 on are dates; earlier ones are time since the start of a simulation.
_DATES_NS = 10**18
_COLORS = {'original': (56, 117, 215), 'compiled': (224, 122, 32), 'error': (200, 40, 60)}


def to_rerun(
    comparison: DatasetComparison,
    path: str | PathLike[str],
    *,
    keys: Sequence[str] | None = None,
    most_fields: int = MOST_FIELDS,
) -> Exported:
    """Write what differs as a Rerun recording, with a layout that shows the worst first.

    Entities are `original/<key>/<field>`, `compiled/...` and `error/...` (absolute error of each
    pair) on the timeline `stamp`, `verdict` is a document. Needs the extra `rerun`; no viewer is
    started. A comparison that was loaded without its bags gives what it kept: some of the values,
    and the largest error of each part of the time.

    Args:
        comparison: The comparison.
        path: The file, ending in `.rrd`; nothing may be there.
        keys: The keys that are written; all that were compared when left out.
        most_fields: Fields that are written, the worst ones.

    Raises:
        ExtraMissingError: If `rerun-sdk` is not installed.
        ComparisonError: If a key was not compared, or the ending is another.
        BagExistsError: If something is at the path.
        ExportError: If it cannot be written.
    """
    if not str(path).endswith('.rrd'):
        raise ComparisonError(f'{path} does not end in .rrd, which Rerun wants')
    rerun = require('rerun', 'rerun', 'a Rerun recording')
    chosen = keys_of(comparison, keys)
    fields, notes = numeric_fields(comparison, chosen, most_fields)
    is_dated = all(key.stamps_ns.min(initial=_DATES_NS) >= _DATES_NS for key in chosen)
    with new_file(path) as file:
        recording = rerun.RecordingStream('lk_dataset_ros')
        writer = _Writer(rerun, recording, is_dated)
        try:
            recording.save(str(file), default_blueprint=writer.layout(fields, chosen))
            recording.send_recording_name(
                f'{comparison.original_name} and {comparison.compiled_name}'
            )
            sampled = [writer.field(key, each) for key, each in fields]
            if not all(sampled):
                notes += ('some fields are drawn from the values that were kept of them',)
            for key in chosen:
                for shot in shots(key):
                    writer.image(key, shot)
            writer.verdict(comparison, notes)
            recording.flush()
        except RuntimeError as error:
            raise ExportError(f'{path} cannot be written: {error}') from error
        finally:
            recording.disconnect()
        if not file.exists():
            raise ExportError(f'{path}: Rerun wrote nothing; is it switched off by RERUN=off?')
    return Exported(Path(path), notes)


class _Writer:
    """Puts parts of a comparison into a recording."""

    def __init__(self, rerun: Any, recording: Any, is_dated: bool) -> None:
        self._rerun, self._recording, self._is_dated = rerun, recording, is_dated

    def _entity(self, side: str, key: KeyComparison, path: str = '') -> str:
        parts = [side, *key.key.split('/'), key.part, *re.split(r'\.', path)]
        entity: str = self._rerun.new_entity_path([part for part in parts if part])
        return entity

    def _time(self, key: KeyComparison, times: Any) -> tuple[str, dict[str, Any]]:
        """Return a timeline, and times on it as Rerun takes them."""
        if not has_stamps(key):
            return PAIRS, {'sequence': times}
        kind, unit = ('timestamp', 'M8[ns]') if self._is_dated else ('duration', 'm8[ns]')
        return TIMELINE, {kind: np.asarray(times, np.int64).astype(unit)[()]}

    def field(self, key: KeyComparison, each: FieldComparison) -> bool:
        """Write both sides of a field and its error; tell whether every pair is there."""
        sides, is_complete = series_of(key, each)
        for side, series in sides:
            entity = self._entity(side, key, each.path)
            red, green, blue = _COLORS[side]
            count = series.values.shape[1]
            # Lines of one side are shades of one colour.
            shades = [
                [
                    int(part + (255 - part) * 0.6 * line / max(count, 1))
                    for part in (red, green, blue)
                ]
                for line in range(count)
            ]
            style = self._rerun.SeriesLines(
                colors=shades, names=[f'{side} {name}'.strip() for name in series.names]
            )
            self._recording.log(entity, style, static=True, strict=True)
            for first in range(0, len(series.times), _AT_ONCE):
                part = slice(first, first + _AT_ONCE)
                values = series.values[part]
                column = self._rerun.Scalars.columns(scalars=values.ravel())
                if count != 1:
                    column = column.partition(np.full(len(values), count))
                name, times = self._time(key, series.times[part])
                index = self._rerun.TimeColumn(name, **times)
                self._recording.send_columns(entity, [index], column, strict=True)
        return is_complete

    def image(self, key: KeyComparison, shot: Shot) -> None:
        """Write both images of a pair and how they differ."""
        for side, pixels in shot.sides():
            if pixels is None:
                continue
            kind = self._rerun.Image if pixels.ndim == 3 else self._rerun.DepthImage
            name, time = self._time(key, shot.stamp_ns)
            self._recording.set_time(name, **time)
            self._recording.log(self._entity(side, key, 'image'), kind(pixels), strict=True)
        self._recording.reset_time()

    def verdict(self, comparison: DatasetComparison, notes: Sequence[str]) -> None:
        """Write the verdict as a document."""
        text = '\n\n'.join([comparison.to_markdown(), *(f'*{note}*' for note in notes)])
        document = self._rerun.TextDocument(text, media_type=self._rerun.MediaType.MARKDOWN)
        self._recording.log('verdict', document, static=True, strict=True)

    def layout(
        self,
        fields: Sequence[tuple[KeyComparison, FieldComparison]],
        keys: Sequence[KeyComparison],
    ) -> Any:
        """Return a layout: the verdict, and a tab for each field, the worst one open."""
        views = require('rerun.blueprint', 'rerun', 'a Rerun recording')
        tabs = []
        for key, each in fields:
            paths = {side: self._entity(side, key, each.path) for side in _COLORS}
            both = [paths['original'], paths['compiled']]
            name = f'{key.label} {each.path}'
            unit = f', {each.unit}' if each.unit else ''
            shown = [
                views.TimeSeriesView(origin='/', contents=both, name=name),
                views.TimeSeriesView(
                    origin='/', contents=[paths['error']], name=f'absolute error{unit}'
                ),
            ]
            tabs.append(views.Vertical(*shown, name=name))
        for key in keys:
            if key.differing and key.type_name.endswith('Image'):
                sides = [
                    views.Spatial2DView(origin=self._entity(side, key, 'image'), name=side)
                    for side in _COLORS
                ]
                tabs.append(views.Horizontal(*sides, name=f'{key.label} images'))
        document = views.TextDocumentView(origin='verdict', name='verdict')
        if not tabs:
            return views.Blueprint(document)
        return views.Blueprint(views.Horizontal(document, views.Tabs(*tabs), column_shares=[1, 2]))
