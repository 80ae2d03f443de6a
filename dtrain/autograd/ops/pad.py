# A rule names its own op:
# mypy: disable-error-code="has-type"
"""Constants around an array."""

from typing import Any

import numpy as np

from dtrain.autograd.op import op
from dtrain.autograd.value import Array


def _less(pads: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return tuple((-before, -after) for before, after in pads)


@op(label="ConstantPadNd", x=lambda g, pads: pad_constant(g, pads=_less(pads)))
def pad_constant(x: Array, *, pads: tuple[tuple[int, int], ...], value: float = 0.0) -> Any:
    """x with `value` put before and after along each axis; a negative number takes away instead."""
    sizes = [size + sum(pad) for size, pad in zip(x.shape, pads, strict=True)]
    out = np.full(sizes, value, x.dtype)
    into, source = [], []
    for size, (before, after) in zip(x.shape, pads, strict=True):
        low, high = max(0, -before), size - max(0, -after)
        source.append(slice(low, max(low, high)))
        into.append(slice(low + before, max(low, high) + before))
    out[tuple(into)] = x[tuple(source)]
    return out
