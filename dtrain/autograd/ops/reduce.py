# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Sums, means and extremes over axes, and `expand`, the adjoint of a sum.

Inputs are brought to C order first: the bits of a sum depend on the order of its terms.
"""

from typing import Any, TypeAlias

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.op import op
from dtrain.autograd.ops.logic import where
from dtrain.autograd.value import Array

FEW = 64  # elements whose sum is formed in PyTorch's order

Axis: TypeAlias = int | tuple[int, ...] | None


def _canonical(values: list[Any]) -> list[Any]:
    return [canonical(value) for value in values]


def _widen(g: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """A reduced array back over the shape that it was reduced from."""
    if axis is not None and not keepdims:
        reduced = {a % max(len(shape), 1) for a in ((axis,) if isinstance(axis, int) else axis)}
        g = g[tuple(None if at in reduced else slice(None) for at in range(len(shape)))]
    return expand(g, shape=shape)


def _count(shape: tuple[int, ...], axis: Axis) -> int:
    if axis is None or not shape:
        return int(np.prod(shape))
    return int(np.prod([shape[a] for a in ((axis,) if isinstance(axis, int) else axis)]))


@op(
    prepare=_canonical,
    x=lambda g, x_shape, axis, keepdims: _widen(g, x_shape, axis, keepdims),
)
def sum_(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over axes (None: all of them); bools and integers give int64."""
    dtype = x.dtype if x.dtype.kind == "f" else np.int64
    if axis is None and _are_few(x):
        return _few(x, (1,) * x.ndim if keepdims else ())
    return x.sum(axis=axis, keepdims=keepdims, dtype=dtype)


def _are_few(x: Array) -> bool:
    return 1 < x.size < FEW and x.dtype == np.float32


def _few(x: Array, shape: tuple[int, ...]) -> Array:
    """The sum of less than 64 float32 elements in PyTorch's order, for the last digit of its small
    examples: rows of eight are added up in four columns and then in one; its eight elements follow
    those that fill no row.

    Source: PyTorch, aten/src/ATen/native/cpu/SumKernel.cpp, vectorized_inner_sum, for AVX2.
    """
    flat = x.reshape(-1)
    whole = len(flat) // 8 * 8
    if whole:
        rows = _rest_first(flat[:whole].reshape(-1, 8))
        parts = np.concatenate([flat[whole:], np.add.reduce(rows, axis=0)])
    else:
        parts = _rest_first(flat)
    return np.asarray(np.cumsum(parts)[-1]).reshape(shape)


def _rest_first(rows: Array) -> Array:
    """What fills no further four rows goes to the first column before columns are added."""
    return rows[[0, *range(4, len(rows)), 1, 2, 3]] if len(rows) > 4 else rows


@op(
    prepare=_canonical,
    x=lambda g, x_shape, axis, keepdims: (
        _widen(g, x_shape, axis, keepdims) / max(1, _count(x_shape, axis))
    ),
)
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean over axes (None: all of them); nan over nothing."""
    if axis is None and _are_few(x):
        total: Any = _few(x, (1,) * x.ndim if keepdims else ())
    else:
        total = x.sum(axis=axis, keepdims=keepdims)
    return total / x.dtype.type(_count(x.shape, axis))


@op(prepare=_canonical, x=lambda g, x_shape: expand(g, shape=x_shape))
def sum_to(x: Array, *, shape: tuple[int, ...]) -> Any:
    """Sum over the axes along which `shape` was broadcast to the shape of x."""
    lead = x.ndim - len(shape)
    if _are_few(x) and all(size == 1 for size in shape):
        return _few(x, shape)
    if lead:
        x = x.reshape(int(np.prod(x.shape[:lead])), *x.shape[lead:]).sum(axis=0)
    axes = tuple(a for a, size in enumerate(shape) if size == 1 and x.shape[a] != 1)
    return x.sum(axis=axes, keepdims=True) if axes else x


@op(view=True, x=lambda g, x_shape: sum_to(g, shape=x_shape))
def expand(x: Array, *, shape: tuple[int, ...]) -> Array:
    """x broadcast to a shape; a view. The adjoint of `sum_to`."""
    return np.broadcast_to(x, shape)


def _shared(g: Any, x: Any, out: Any, axis: Axis, keepdims: bool) -> Any:
    """Ties share the gradient evenly, as in PyTorch's amax."""
    shape = x.shape
    wins = (x == _widen(out, shape, axis, keepdims)) * 1.0
    ways = sum_(wins, axis=axis, keepdims=keepdims)
    return wins * _widen(g / ways, shape, axis, keepdims)


@op(x=_shared)
def amax(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Greatest element over axes (None: all of them); nan if there is one."""
    return x.max(axis=axis, keepdims=keepdims)


@op(x=_shared)
def amin(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Least element over axes (None: all of them); nan if there is one."""
    return x.min(axis=axis, keepdims=keepdims)


def _among_equals(g: Any, x: Any, out: Any) -> Any:
    wins = (x == out) | ((x != x) & (out != out))
    return where(wins, g / wins.sum(), 0.0)


@op(prepare=_canonical, x=_among_equals)
def median(x: Array) -> Any:
    """The median of all elements, of two the lower; nan if there is one. Equal ones share the
    gradient evenly."""
    ordered = np.sort(x.reshape(-1))
    return ordered[-1] if ordered[-1] != ordered[-1] else ordered[(x.size - 1) // 2]


@op(prepare=_canonical, x=_among_equals)
def nanmedian(x: Array) -> Any:
    """As `median`, of what is not nan."""
    ordered = np.sort(x.reshape(-1))
    return ordered[max(x.size - np.isnan(x).sum() - 1, 0) // 2]


@op()
def argmax(x: Array, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Index of the first greatest element, int64; in the flattened array if axis is None."""
    return x.argmax(axis=axis, keepdims=keepdims)


@op()
def argmin(x: Array, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Index of the first least element, int64; in the flattened array if axis is None."""
    return x.argmin(axis=axis, keepdims=keepdims)
