"""random_split: a dataset cut into parts at random."""

import math
import warnings
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from dtrain.data.dataset import Dataset, Subset
from dtrain.data.sampler import permutation
from dtrain.random import Generator, default_generator


def random_split(
    dataset: Dataset[Any],
    lengths: Sequence[int | float],
    generator: Generator | None = default_generator,
) -> list[Subset[Any]]:
    """Parts that do not overlap, of these lengths; PyTorch's parts for the same generator.

    lengths: whole numbers that sum to len(dataset), or fractions that sum to 1. A part of a
             fraction has floor(fraction * n) samples; what is left over goes one each to the
             first parts.
    Raises:  ValueError for a fraction outside [0, 1], or lengths with another sum.
    Warns:   where a fraction gives an empty part.
    """
    n = len(dataset)  # type: ignore[arg-type]  # a Dataset has no length of its own
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = _sizes(lengths, n)
    else:
        sizes = [*lengths]  # type: ignore[list-item]  # whole numbers, or their sum is wrong
    if sum(sizes) != n:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"{[*lengths]} for {n} samples"
        )
    order = permutation(n, generator)
    ends = accumulate(sizes)
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


def _sizes(fractions: Sequence[float], n: int) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1")
    sizes = [math.floor(n * fraction) for fraction in fractions]
    for i in range(n - sum(sizes)):
        sizes[i % len(sizes)] += 1
    for i, size in enumerate(sizes):
        if size == 0:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                stacklevel=3,
            )
    return sizes
