# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Products over axes, and running sums, products and extremes along one."""

from typing import Any

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.op import op
from dtrain.autograd.ops.elementwise import exp
from dtrain.autograd.ops.logic import where
from dtrain.autograd.ops.reduce import expand
from dtrain.autograd.value import Array, Value


def _canonical(values: list[Any]) -> list[Any]:
    return [canonical(value) for value in values]


def raw(x: Any) -> Array:
    """The array of a value that is one already or a Tensor."""
    return x._array if isinstance(x, Value) else np.asarray(x)


def _wide(dtype: Any) -> Any:
    """Sums and products of bools and integers are int64."""
    return dtype if dtype.kind == "f" else np.dtype(np.int64)


@op(x=lambda g, axes: flip(g, axes=axes))
def flip(x: Array, *, axes: tuple[int, ...]) -> Array:
    """x with some axes in reverse order; a copy."""
    return np.ascontiguousarray(np.flip(x, axes)).reshape(x.shape)


@op(prepare=_canonical, x=lambda g, axis: reverse_cumsum(g, axis))
def cumsum(x: Array, *, axis: int) -> Array:
    """Sums of the elements so far along an axis."""
    return np.cumsum(x, axis=axis, dtype=_wide(x.dtype)) if x.ndim else x.astype(_wide(x.dtype))


def reverse_cumsum(x: Any, axis: int) -> Any:
    """Sums of the elements from here on along an axis."""
    if not x.ndim:
        return x
    return flip(cumsum(flip(x, axes=(axis,)), axis=axis), axes=(axis,))


def _cumprod_rule(g: Any, x: Any, out: Any, axis: int) -> Any:
    """sum over k >= i of g[k] out[k] / x[i], where no x is 0. At the first 0 the product of the
    others takes the place of out / x, and after it all gradients are 0."""
    if not x.ndim:
        return g
    zero = raw(x) == 0
    if not zero.any():
        return reverse_cumsum(g * out, axis) / x
    seen = np.cumsum(zero, axis=axis)
    first, before = zero & (seen == 1), seen == 0
    filled = where(first, 1.0, x)
    at_first = reverse_cumsum(g * cumprod(filled, axis=axis), axis)
    safe = where(zero, 1.0, x)
    return where(before, reverse_cumsum(g * out, axis) / safe, where(first, at_first, 0.0))


@op(prepare=_canonical, x=_cumprod_rule)
def cumprod(x: Array, *, axis: int) -> Array:
    """Products of the elements so far along an axis."""
    return np.cumprod(x, axis=axis, dtype=_wide(x.dtype)) if x.ndim else x.astype(_wide(x.dtype))


def _prod_rule(g: Any, x: Any, out: Any, axis: Any, keepdims: bool) -> Any:
    """g out / x; where x is 0, g times the product of the others."""
    shape = x.shape
    if axis is not None and not keepdims and shape:
        at = axis % len(shape)
        key = tuple(None if each == at else slice(None) for each in range(len(shape)))
        g, out = g[key], out[key]
    wide_g, wide_out = expand(g, shape=shape), expand(out, shape=shape)
    zero = raw(x) == 0
    if not zero.any():
        return wide_g * wide_out / x
    return wide_g * where(zero, _others(raw(x), axis), wide_out / where(zero, 1.0, x))


def _others(x: Array, axis: int | None) -> Array:
    """The product of all elements but this one, along an axis or of the whole array."""
    if axis is None:
        return _others(x.reshape(-1), 0).reshape(x.shape)
    moved = np.moveaxis(x, axis, 0)
    one = np.ones_like(moved[:1])
    before = np.cumprod(np.concatenate([one, moved[:-1]]), axis=0)
    after = np.cumprod(np.concatenate([one, moved[:0:-1]]), axis=0)[::-1]
    return np.moveaxis(before * after, 0, axis)


@op(prepare=_canonical, x=_prod_rule)
def prod(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Product over one axis, or of all elements."""
    return x.prod(axis=axis if x.ndim else None, keepdims=keepdims, dtype=_wide(x.dtype))


@op(
    prepare=_canonical,
    x=lambda g, x, out, axis: _log_cumsum_rule(g, x, out, axis),
)
def logcumsumexp(x: Array, *, axis: int) -> Any:
    """log of the running sum of e ** x along an axis, without overflow."""
    return np.logaddexp.accumulate(x, axis=axis) if x.ndim else x.copy()


def _log_cumsum_rule(g: Any, x: Any, out: Any, axis: int) -> Any:
    if not x.ndim:
        return g
    top = raw(x).max(axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(raw(x).dtype)
    return exp(x - top) * reverse_cumsum(g * exp(top - out), axis)


def running_extreme(x: Array, axis: int, sign: int) -> Array:
    """Indices of the greatest (sign 1) or least (-1) element so far; of equal ones the last."""
    moved = np.moveaxis(x, axis, 0)
    best = np.empty(moved.shape, np.int64)
    if not len(moved):
        return np.moveaxis(best, 0, axis)
    held, at = moved[0].copy(), np.zeros(moved.shape[1:], np.int64)
    for index, row in enumerate(moved):
        wins = (row >= held if sign > 0 else row <= held) | np.isnan(row)
        wins &= np.isnan(row) | ~np.isnan(held)
        held, at = np.where(wins, row, held), np.where(wins, index, at)
        best[index] = at
    return np.moveaxis(best, 0, axis)
