"""Who gets which leaves: one pure function."""

from collections.abc import Iterator
from itertools import islice


def bits(lo: int, hi: int) -> int:
    """A set of leaves lo ... hi-1, as the bits of an integer."""
    return (1 << hi) - (1 << lo)


def runs(leaves: int) -> list[tuple[int, int]]:
    """The maximal ranges (lo, hi) of a set of leaves, from left to right."""
    found = []
    position = 0
    while leaves >> position:
        rest = leaves >> position
        lo = position + (rest & -rest).bit_length() - 1
        filled = ~(leaves >> lo)
        hi = lo + (filled & -filled).bit_length() - 1
        found.append((lo, hi))
        position = hi
    return found


def share(free: int, workers: int) -> list[tuple[int, int]]:
    """At most `workers` contiguous ranges of the free leaves, as even as can be, leftmost first.

    What does not fit (free leaves in more pieces than there are workers) waits for the next call.
    """
    return list(islice(_pieces(free, workers), workers))


def _pieces(free: int, workers: int) -> Iterator[tuple[int, int]]:
    """Cut each run where the even shares of all free leaves end."""
    total = free.bit_count()
    taken = given = 0
    for lo, hi in runs(free):
        while lo < hi:
            given += 1
            end = -(-total * given // workers)  # the given-th share ends after so many free leaves
            cut = min(hi, lo + max(end - taken, 1))
            yield lo, cut
            taken += cut - lo
            lo = cut
