"""Datasets as torch sees them: pairs of inputs and outputs, fetched a batch at a time.

torch is imported at use only: the rest of the package works without it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lk_dataset_ros.dataset.training.batches import (
    BatchOrder,
    Fetched,
    collate_at_once,
    torch_module,
)
from lk_dataset_ros.dataset.training.sampling import make_samples
from lk_dataset_ros.dataset.training.sampling_options import Options
from lk_dataset_ros.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray
    from torch.utils.data import DataLoader

    from lk_dataset_ros.dataset.dataset import Dataset
    from lk_dataset_ros.dataset.training.features import Selection
    from lk_dataset_ros.dataset.training.match_report import MatchReport
    from lk_dataset_ros.dataset.training.normalisation import Normalisation

    Pair = tuple[torch.Tensor, torch.Tensor]

Indices: TypeAlias = 'int | slice | Sequence[int] | NDArray[np.int64] | torch.Tensor'


class TorchView:
    """Samples as pairs of tensors; a map-style `torch.utils.data.Dataset`.

    `view[i]` is one pair `(input, output)`, of shapes (features,) or, with a window,
    (window, features), and (outputs,). `view[indices]`, of a slice, a list, an array or a tensor,
    is a batch of them with one more axis in front. What is given out is a copy.

    Attributes:
        inputs: Tensor (r, features): rows of inputs in order of time. Without a window row i is
            that of sample i.
        outputs: Tensor (n, outputs): outputs of the samples.
        rows: int64, (n,): the (last) row of inputs of each sample.
        time_ns: int64, (n,): time of each sample.
        window: Rows of a sample, None for a single one.
        normalisation: How they were scaled; its statistics are those of the first block.
        report: What became of the messages.
    """

    def __init__(
        self,
        inputs: torch.Tensor,
        outputs: torch.Tensor,
        rows: NDArray[np.int64],
        time_ns: NDArray[np.int64],
        window: int | None,
        normalisation: Normalisation,
        report: MatchReport,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.rows = rows
        self.time_ns = time_ns
        self.window = window
        self.normalisation = normalisation
        self.report = report

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs' features: `/odom.pose.covariance[3]`."""
        return self.normalisation.inputs.names

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return self.normalisation.outputs.names

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.rows)

    def __getitem__(self, index: Indices) -> Pair:
        """Return one sample, or a batch of them."""
        if isinstance(index, slice):
            return self._span(*index.indices(len(self)))
        if isinstance(index, (int, np.integer)):
            place = int(index) + len(self) if index < 0 else int(index)
            if not 0 <= place < len(self):
                raise IndexError(f'there are {len(self)} samples; there is no sample {index}')
            inputs, outputs = self._span(place, place + 1, 1)
            return inputs[0], outputs[0]
        return self._gather(np.asarray(index, np.int64))

    def __getitems__(self, indices: Sequence[int]) -> Fetched:
        """Return samples as `torch.utils.data.DataLoader` collates them: all at once."""
        return Fetched(*self._gather(np.asarray(indices, np.int64)))

    def dataloader(
        self,
        *,
        batch_size: int = 256,
        shuffle: bool = False,
        seed: int | None = None,
        drop_last: bool = False,
        **options: Any,
    ) -> DataLoader[Pair]:
        """Return a torch DataLoader that fetches each batch at once.

        Args:
            batch_size: Samples of a batch.
            shuffle: Give them in random order, another one each epoch.
            seed: Makes the orders repeatable; those of torch's own seed when left out.
            drop_last: Leave out a last batch that is not full.
            options: Of `torch.utils.data.DataLoader` (`num_workers`, `pin_memory`, ...).

        Raises:
            DatasetError: If the batch size is not positive, or an option is ours to set.
        """
        for name in ('sampler', 'batch_sampler'):
            if name in options:
                raise DatasetError(
                    f'{name}= is set here; torch.utils.data.DataLoader takes this view with any'
                )
        torch = torch_module()
        order = BatchOrder(len(self), batch_size, shuffle=shuffle, seed=seed, drop_last=drop_last)
        collate = options.pop('collate_fn', _as_it_is)
        loader: DataLoader[Pair] = torch.utils.data.DataLoader(
            self, batch_size=None, sampler=order, collate_fn=collate, **options
        )
        return loader

    def _gather(self, index: NDArray[np.int64]) -> Pair:
        if index.ndim != 1:
            raise DatasetError(f'samples are asked for by a list; got shape {index.shape}')
        outputs = _rows_of(self.outputs, index)
        if self.window is None:
            return _rows_of(self.inputs, index), outputs
        return self._windows(self.rows[index]), outputs

    def _span(self, start: int, stop: int, step: int) -> Pair:
        if step != 1:
            return self._gather(np.arange(start, stop, step))
        outputs = self.outputs[start:stop].clone()
        if self.window is None:
            return self.inputs[start:stop].clone(), outputs
        return self._windows(self.rows[start:stop]), outputs

    def _windows(self, last: NDArray[np.int64]) -> torch.Tensor:
        """Return the rows that end with each of these: one copy of consecutive bytes each."""
        table, window = self.inputs.numpy(), self.window or 1
        width, size = table.shape[1], table.strides[0]
        count = len(table) - window + 1
        windows = np.ndarray((count,), f'V{window * size}', table, 0, (size,))
        found = windows[last - (window - 1)].view(table.dtype).reshape(len(last), window, width)
        return torch_module().from_numpy(found)  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Pickle for a worker; its class is made anew there."""
        parts = (self.inputs, self.outputs, self.rows, self.time_ns)
        return new_view, (*parts, self.window, self.normalisation, self.report)

    def __repr__(self) -> str:
        """Tell count and shapes."""
        window = '' if self.window is None else f'{self.window} x '
        width, answers = self.inputs.shape[1], self.outputs.shape[1]
        return f'<{len(self)} samples: {window}{width} inputs, {answers} outputs>'


def _rows_of(table: torch.Tensor, index: NDArray[np.int64]) -> torch.Tensor:
    # For batches of usual size NumPy gathers rows twice as fast as torch.
    return torch_module().from_numpy(table.numpy().take(index, 0))  # type: ignore[no-any-return]


def _as_it_is(batch: Any) -> Any:
    return batch


@lru_cache(maxsize=1)
def _view_class() -> Any:
    collate_at_once()
    return type(
        'TorchView', (TorchView, torch_module().utils.data.Dataset), {'__doc__': TorchView.__doc__}
    )


def new_view(*parts: Any) -> TorchView:
    """Make a view that is also a `torch.utils.data.Dataset`; arguments are `TorchView`'s."""
    view: TorchView = _view_class()(*parts)
    return view


def to_pytorch_dataset(
    dataset: Dataset, inputs: Selection, outputs: Selection, **options: Any
) -> TorchView | tuple[TorchView, ...]:
    """Pair inputs with outputs as a map-style torch dataset.

        >>> train, test = to_pytorch_dataset(
        ...     dataset, '/odom', '/cmd_vel.linear.x', match='lineage', split=(0.8, 0.2)
        ... )  # doctest: +SKIP

    Args:
        dataset: What to learn from.
        inputs: Keys, `key.field` paths, or field paths by key. A key alone stands for all its
            numbers without header; a path of a nested message for all numbers inside.
        outputs: As the inputs.
        options: Any of

            - `match`: `stamp` (default; equal header stamps), `lineage` (an output belongs to
              the input whose stamp it carries, with the latest of the other inputs at hand) or
              `nearest` (in time, within the limit); see `pairs.pair`.
            - `limit`: Seconds between partners at most (`nearest`), or age at most of the latest
              of the other inputs (`lineage`).
            - `clock`: `stamp` or `log`, what `nearest` goes by; stamps where all have them.
            - `window`: Give the last n inputs of each output, (n, features), none of them before
              a gap or in another block.
            - `max_step`: Seconds between the inputs of a window at most; three times the median
              when left out.
            - `dtype`: Type of the tensors, float32 when left out.
            - `normalize`: `standard`, `minmax`, or a `Normalisation` from before. Statistics are
              those of the first block, computed in float64.
            - `split`: Shares of the samples, `(0.8, 0.1, 0.1)`: gives one dataset for each, cut
              in order of time.
            - `split_gap`: Seconds left out between two of these.
            - `nan`: `raise` (default), `drop` or `keep` samples that hold NaN.
            - `start_ns`, `stop_ns`: Log time to begin with, and the first that is left out.

    Returns:
        A dataset, or a tuple of one for each share of the split. `report` tells what found no
        partner and what was dropped; it is logged, too.

    Raises:
        ExtraMissingError: If torch is not installed.
        DatasetError: If an option is wrong, or nothing matches.
        FlatVectorError: If a field is no number, or varies in length.
    """
    torch = torch_module()
    try:
        chosen = Options(**options)
    except TypeError as error:
        known = ', '.join(Options.__slots__)
        unknown = str(error).rpartition('argument ')[2]
        raise DatasetError(f'there is no option {unknown}; options are {known}') from error
    samples = make_samples(dataset, inputs, outputs, chosen)
    views = tuple(
        new_view(
            torch.from_numpy(block.inputs),
            torch.from_numpy(block.outputs),
            block.rows,
            block.time_ns,
            chosen.window,
            samples.normalisation,
            samples.report,
        )
        for block in samples.blocks
    )
    return views[0] if chosen.split is None else views


def to_dataloader(
    dataset: Dataset,
    inputs: Selection,
    outputs: Selection,
    *,
    batch_size: int = 256,
    shuffle: bool = False,
    seed: int | None = None,
    drop_last: bool = False,
    num_workers: int = 0,
    pin_memory: bool = False,
    **options: Any,
) -> DataLoader[Pair] | tuple[DataLoader[Pair], ...]:
    """Pair inputs with outputs as a torch DataLoader that fetches each batch at once.

    Args:
        dataset: What to learn from.
        inputs: As in `to_pytorch_dataset`.
        outputs: As in `to_pytorch_dataset`.
        batch_size: Samples of a batch.
        shuffle: Random order, another one each epoch; with a split in the first block only.
        seed: Makes the orders repeatable.
        drop_last: Leave out a last batch that is not full; with a split in the first block only.
        num_workers: Processes that fetch. Fetching takes microseconds: 0 is mostly fastest.
        pin_memory: Give batches in page-locked memory, for a GPU.
        options: Of `to_pytorch_dataset`.

    Returns:
        A DataLoader, or a tuple of one for each share of the split.
    """
    found = to_pytorch_dataset(dataset, inputs, outputs, **options)
    views = found if isinstance(found, tuple) else (found,)
    loaders = tuple(
        view.dataloader(
            batch_size=batch_size,
            shuffle=shuffle and view is views[0],
            seed=seed,
            drop_last=drop_last and view is views[0],
            num_workers=num_workers,
            pin_memory=pin_memory,
        )
        for view in views
    )
    return loaders if isinstance(found, tuple) else loaders[0]
