"""Who agrees with whom, and who is the odd one out."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations


@lru_cache(maxsize=4096)
def majority_of(there: tuple[int, ...], over: tuple[bool, ...]) -> tuple[int, ...]:
    """Return the arms that agree among each other and are more than half of those there.

    Of several such sets of one size, the one with the first arm in it, the original.

    Args:
        there: Numbers of the arms that have answered, ascending.
        over: Of each pair of them, (0, 1), (0, 2) and so on: whether they disagree.

    Returns:
        Numbers of the arms, empty where there is no majority.
    """
    apart = {pair for pair, is_over in zip(combinations(there, 2), over, strict=True) if is_over}
    for size in range(len(there), len(there) // 2, -1):
        for some in combinations(there, size):
            if not apart.intersection(combinations(some, 2)):
                return some
    return ()
