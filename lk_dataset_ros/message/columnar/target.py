"""Where decoded fields go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lk_dataset_ros.message.columnar.batch import Batch
    from lk_dataset_ros.message.columnar.plan import Plan


@dataclass(frozen=True, slots=True)
class Piece:
    """A field's values in some of the messages; as `Column`, which is made of pieces.

    Attributes:
        values: Values, first axis = message, or all values if they vary in length.
        rows: int64, (n,): the message of each row.
        lengths: int64, (n,): number of values in each row, None for a fixed shape.
    """

    values: NDArray[Any]
    rows: NDArray[np.int64]
    lengths: NDArray[np.int64] | None = None


class Target(Protocol):
    """Where decoded fields go; `ColumnBuilder` is one.

    Attributes:
        plan: Kept from batch to batch for the decoder.
    """

    plan: Plan | None

    def wants(self, path: str, size: float) -> bool:
        """Tell whether a field is wanted that takes so many bytes of a message."""

    def place(
        self, path: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any] | None:
        """Return where a field of all messages of this batch goes, first axis = message.

        None where it does not fit to what earlier batches had: it has to be `put` then.
        """

    def put(self, path: str, piece: Piece) -> None:
        """Keep a field of some messages, or of varying length."""

    def fill(
        self, batch: Batch, path: str, values: NDArray[Any], at: int, dtype: np.dtype[Any]
    ) -> None:
        """Copy numbers of all messages of a batch, which are in runs: now or later.

        Args:
            batch: The messages.
            path: Field path.
            values: Takes them; shape (n, count).
            at: Where they are in each message.
            dtype: Their type there.
        """
