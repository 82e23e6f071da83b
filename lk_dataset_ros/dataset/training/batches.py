"""Batches for a torch DataLoader: which samples, and how they become tensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lk_dataset_ros.errors import DatasetError
from lk_dataset_ros.message import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import torch
    from numpy.typing import NDArray


@lru_cache(maxsize=1)
def torch_module() -> Any:
    """Import torch.

    Raises:
        ExtraMissingError: If it is not installed.
    """
    return require('torch', 'torch', 'a PyTorch dataset')


class BatchOrder:
    """Indices of each batch of an epoch: slices in order, arrays in random order.

    Args:
        count: Samples.
        batch_size: Samples of a batch.
        shuffle: Random order, another one each time.
        seed: Makes the orders repeatable; torch's own random numbers when left out.
        drop_last: Leave out a last batch that is not full.

    Raises:
        DatasetError: If the batch size is not positive.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int | None = None,
        drop_last: bool = False,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise DatasetError(f'batch_size={batch_size!r} is not a number of samples from 1')
        self._end = count - count % batch_size if drop_last else count
        self._count = count
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._generator = None
        if seed is not None:
            if isinstance(seed, bool) or not isinstance(seed, int):
                raise DatasetError(f'seed={seed!r} is not an integer')
            self._generator = torch_module().Generator().manual_seed(seed)

    def __len__(self) -> int:
        """Return the number of batches."""
        return (self._end + self._batch_size - 1) // self._batch_size

    def __iter__(self) -> Iterator[slice | NDArray[np.int64]]:
        """Yield the indices of each batch."""
        bounds = [
            (start, min(start + self._batch_size, self._end))
            for start in range(0, self._end, self._batch_size)
        ]
        if not self._shuffle:
            yield from (slice(*bound) for bound in bounds)
            return
        order = torch_module().randperm(self._count, generator=self._generator).numpy()
        for start, stop in bounds:
            yield order[start:stop]


class Sample(tuple['torch.Tensor', 'torch.Tensor']):
    """One pair of input and output."""

    __slots__ = ()


class Fetched(Sequence[Sample]):
    """Samples that were fetched at once: a sequence of pairs, which torch need not stack again.

    Attributes:
        inputs: Inputs of all of them, first axis = sample.
        outputs: Their outputs.
    """

    def __init__(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        self.inputs = inputs
        self.outputs = outputs

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.outputs)

    def __getitem__(self, index: Any) -> Any:
        """Return a sample, or some as a list."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return Sample((self.inputs[index], self.outputs[index]))


def collate_at_once() -> None:
    """Teach torch's own collation to take what was fetched at once as it is."""
    from torch.utils.data._utils import collate  # noqa: PLC0415

    def taken(batch: Any, **_: Any) -> list[Any]:
        if isinstance(batch, Fetched):
            return [batch.inputs, batch.outputs]
        return [torch_module().stack(column) for column in zip(*batch, strict=True)]

    # https://docs.pytorch.org/docs/stable/data.html: "the map can be extended".
    known = getattr(collate, 'default_collate_fn_map', None)
    if known is not None:
        known[Sample] = taken
