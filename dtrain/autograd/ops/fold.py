# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Windows taken out of an array, and added back."""

from itertools import product
from math import prod
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.op import op
from dtrain.autograd.ops.windows import Axes, Columns, landing
from dtrain.autograd.value import Array


def _canonical(values: list[Any]) -> list[Any]:
    return [canonical(value) for value in values]


@op(prepare=_canonical, x=lambda g, axes: fold(g, axes=axes))
def unfold_windows(x: Array, *, axes: Axes) -> Array:
    """Every window of x as a column.

    Shapes:  x (n, c, *sizes);  result (n, c * size of the kernel, number of windows).
    """
    columns = Columns(x, axes, 1)
    out = np.zeros((len(x), columns.depth, columns.outs[0], prod(columns.outs[1:])), x.dtype)
    for tile in columns.tiles:
        part = out[tile.images, :, tile.rows]
        part[...] = columns(tile).reshape(part.shape)
    return out.reshape(len(x), columns.depth, prod(columns.outs))


@op(prepare=_canonical, y=lambda g, axes: unfold_windows(g, axes=axes))
def fold(y: Array, *, axes: Axes) -> Array:
    """Columns added up where they came from: the adjoint of `unfold_windows`."""
    kernels, outs = tuple(axis.kernel for axis in axes), tuple(axis.out for axis in axes)
    split = y.reshape(len(y), y.shape[1] // prod(kernels), *kernels, *outs)
    out = np.zeros((*split.shape[:2], *(axis.size for axis in axes)), y.dtype)
    for taps in product(*map(range, kernels)):
        landings = [
            landing(axis, tap, slice(0, axis.out)) for axis, tap in zip(axes, taps, strict=True)
        ]
        source: Any = (slice(None), slice(None), *taps, *(each for _, each in landings))
        into: Any = (slice(None), slice(None), *(each for each, _ in landings))
        out[into] += split[source]
    return out
