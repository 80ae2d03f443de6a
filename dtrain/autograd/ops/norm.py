# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Normalisation. The kernels work through an array in blocks that stay in the processor's cache.

Rows and columns: layer, group, instance and RMS norm standardise along the rows of an array
(b, g, n); batch norm down the columns of (b, c * l), for each of the c channels. Nothing of the
array's size is kept for backward but the input itself.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.op import fused, op
from dtrain.autograd.ops.elementwise import sqrt
from dtrain.autograd.ops.linalg import plain
from dtrain.autograd.ops.reduce import expand, mean
from dtrain.autograd.value import Array

BLOCK = 1 << 16  # elements: a few blocks of float32 fit into 1 MB of cache
LONG = 1024  # terms: so many are summed by BLAS, for speed; more pairwise, for precision


def _standardize_formula(
    x: Any,
    weight: Any = None,
    bias: Any = None,
    *,
    rows: tuple[int, int, int],
    eps: float,
    center: bool = True,
) -> Any:
    x_bgn = x.reshape(rows)
    if center:
        x_bgn = x_bgn - mean(x_bgn, axis=-1, keepdims=True)
    out = x_bgn / sqrt(mean(x_bgn * x_bgn, axis=-1, keepdims=True) + eps)
    if weight is not None:
        out = out * _spread(weight, rows)
    return (out if bias is None else out + _spread(bias, rows)).reshape(x.shape)


def _spread(each: Any, rows: tuple[int, int, int]) -> Any:
    """An affine parameter at every element of the groups, (g, n)."""
    _, groups, n = rows
    size = math.prod(each.shape)
    flat = each.reshape((size, 1))
    return expand(flat, shape=(size, groups * n // max(1, size))).reshape((groups, n))


@fused("x", "weight", "bias", formula=_standardize_formula, unsaved=("bias",))
def standardize(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    rows: tuple[int, int, int],
    eps: float,
    center: bool = True,
) -> tuple[Array, Any]:
    """Rows with mean 0 and variance 1, then scaled and shifted.

        y = (x - mean x) / sqrt(mean (x - mean x)**2 + eps) * weight + bias

    Without `center` no mean is taken off: y = x / sqrt(mean x**2 + eps) * weight + bias.

    Shapes:  x any, seen as `rows` (b, g, n); weight and bias g*n elements, or fewer, each of which
             then counts for equally many neighbours, or None; means over n.
    Source:  Ba, Kiros and Hinton 2016 (layer norm); Wu and He 2018 (group norm); Zhang and
             Sennrich 2019 (RMS norm).
    """
    x_bgn = plain(x).reshape(rows)
    weight_gn, bias_gn = (
        None if each is None else plain(_spread(each, rows)) for each in (weight, bias)
    )
    out_bgn = np.empty_like(x_bgn)
    mean_bg1 = np.zeros((*rows[:2], 1), x.dtype)
    rstd_bg1 = np.zeros_like(mean_bg1)
    for at in _blocks(x_bgn):
        y = out_bgn[at]
        if center:
            mean_bg1[at] = _row_means(x_bgn[at])
        np.subtract(x_bgn[at], mean_bg1[at], out=y)
        rstd_bg1[at] = _reciprocal_root(_row_means(y, y), eps)
        y *= rstd_bg1[at]
        _scale_and_shift(y, weight_gn, bias_gn)

    def backward(g: Array, needs: Sequence[bool]) -> list[Array | None]:
        dx, *affine = _standardize_backward(
            canonical(g).reshape(rows), x_bgn, weight_gn, (mean_bg1, rstd_bg1), center, needs
        )
        folded = [
            None if total is None or each is None else _fold(total, each.shape)
            for total, each in zip(affine, (weight, bias), strict=True)
        ]
        return [None if dx is None else dx.reshape(x.shape), *folded]

    return out_bgn.reshape(x.shape), backward


def _standardize_backward(
    g_bgn: Array,
    x_bgn: Array,
    weight_gn: Array | None,
    statistics: tuple[Array, Array],
    center: bool,
    needs: Sequence[bool],
) -> list[Array | None]:
    """With h the standardised rows and w = weight * g:

    dx = (w - mean w - h * mean(w * h)) / std;  dweight = sum_b g * h;  dbias = sum_b g.
    """
    mean_bg1, rstd_bg1 = statistics
    dx_bgn = np.empty_like(x_bgn) if needs[0] else None
    dweight_gn, dbias_gn = (
        np.zeros(x_bgn.shape[1:], x_bgn.dtype) if need else None for need in (*needs[1:], 0, 0)[:2]
    )
    for at in _blocks(x_bgn):
        g, h = g_bgn[at], x_bgn[at] - mean_bg1[at]
        h *= rstd_bg1[at]
        if dweight_gn is not None:
            dweight_gn += _column_sums(g * h)
        if dbias_gn is not None:
            dbias_gn += _column_sums(g)
        if dx_bgn is not None:
            w = np.multiply(g, 1 if weight_gn is None else weight_gn, out=dx_bgn[at])
            along = _row_means(w, h)
            if center:
                w -= _row_means(w)
            h *= along
            w -= h
            w *= rstd_bg1[at]
    return [dx_bgn, dweight_gn, dbias_gn]


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel of x (b, c, ...), (c) both; nan over nothing."""
    batch, channels, length = _three_axes(x.shape)
    x_bk = plain(x).reshape(batch, channels * length)
    count = x.dtype.type(batch * length)
    with np.errstate(all="ignore"):
        mean_c = _fold(_column_sums(x_bk), (channels,)) / count
        mean_k = np.repeat(mean_c, length)
        square_k = np.zeros_like(mean_k)
        for at in _blocks(x_bk):
            y = x_bk[at] - mean_k
            y *= y
            square_k += _column_sums(y)
        return mean_c, _fold(square_k, (channels,)) / count


def _batch_norm_formula(
    x: Any, weight: Any = None, bias: Any = None, *, eps: float, moments: Any = None
) -> Any:
    x_bcl = x.reshape(_three_axes(x.shape))
    x_bcl = x_bcl - mean(x_bcl, axis=(0, 2), keepdims=True)
    out = x_bcl / sqrt(mean(x_bcl * x_bcl, axis=(0, 2), keepdims=True) + eps)
    out = out if weight is None else out * weight.reshape((-1, 1))
    return (out if bias is None else out + bias.reshape((-1, 1))).reshape(x.shape)


@fused(
    "x", "weight", "bias",
    formula=_batch_norm_formula, unsaved=("bias",), label="NativeBatchNorm",
)  # fmt: skip
def batch_norm(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float,
    moments: tuple[Array, Array] | None = None,
) -> tuple[Array, Any]:
    """Each channel with mean 0 and variance 1 over the batch, then scaled and shifted.

        y = (x - mean x) / sqrt(mean (x - mean x)**2 + eps) * weight + bias

    `moments` are those of x, from a caller who has them already.

    Shapes:  x (b, c, ...); weight and bias (c) or None; means over all but c.
    Source:  Ioffe and Szegedy 2015.
    """
    batch, channels, length = _three_axes(x.shape)
    x_bk = plain(x).reshape(batch, channels * length)
    mean_c, var_c = channel_moments(x) if moments is None else moments
    if not x.size:  # no moments: with nan for them the parameters had gradients of nan
        mean_c, var_c = np.zeros_like(mean_c), np.zeros_like(var_c)
    rstd_c = _reciprocal_root(var_c, eps)
    scale_c = rstd_c if weight is None else rstd_c * weight
    mean_k, scale_k = np.repeat(mean_c, length), np.repeat(scale_c, length)
    shift_k = None if bias is None else np.repeat(bias, length)
    out_bk = np.empty_like(x_bk)
    for at in _blocks(x_bk):
        _scale_and_shift(np.subtract(x_bk[at], mean_k, out=out_bk[at]), scale_k, shift_k)

    def backward(g: Array, needs: Sequence[bool]) -> list[Array | None]:
        """dx = scale * (g - mean g - h * mean(g * h)), with h = (x - mean) * rstd."""
        g_bk = canonical(g).reshape(x_bk.shape)
        product_k = np.zeros_like(mean_k)
        for at in _blocks(x_bk):
            centred = x_bk[at] - mean_k
            centred *= g_bk[at]
            product_k += _column_sums(centred)
        dweight_c = _fold(product_k, (channels,)) * rstd_c
        dbias_c = _fold(_column_sums(g_bk), (channels,))
        count = x.dtype.type(max(1, batch * length))
        slope_k = np.repeat(scale_c * rstd_c * dweight_c / count, length)
        offset_k = np.repeat(scale_c * dbias_c / count, length)
        dx_bk = np.empty_like(x_bk)
        for at in _blocks(x_bk) if needs[0] else ():
            centred = x_bk[at] - mean_k
            centred *= slope_k
            centred += offset_k
            np.multiply(g_bk[at], scale_k, out=dx_bk[at])
            dx_bk[at] -= centred
        return [dx_bk.reshape(x.shape) if needs[0] else None, dweight_c, dbias_c]

    return out_bk.reshape(x.shape), backward


channel_moments = moments  # within `batch_norm` that name is an option


@op(x=lambda g, before, after: window_sum(g, before=after, after=before))
def window_sum(x: Array, *, before: int, after: int) -> Array:
    """y[:, c] = sum of x[:, c - before] ... x[:, c + after], over those that there are."""
    x = canonical(x)
    out = np.zeros_like(x)
    channels = x.shape[1]
    for shift in range(-min(before, channels), min(after, channels) + 1):
        left, right = max(0, -shift), max(0, channels - max(0, shift))
        out[:, left:right] += x[:, left + shift : right + shift]
    return out


def _blocks(x: Array) -> Iterator[slice]:
    """The first axis in pieces of about BLOCK elements."""
    step = max(1, BLOCK // max(1, x[:1].size))
    return (slice(start, start + step) for start in range(0, len(x), step))


def _row_means(x: Array, y: Array | None = None) -> Array:
    """Means of x, or of x * y, over the last axis, which stays with size 1."""
    n = x.shape[-1]
    if y is None:
        sums = np.add.reduce(x, axis=-1) if n > LONG else x @ np.ones(n, x.dtype)
    elif 64 <= n <= LONG:
        sums = np.vecdot(x, y)
    else:
        return _row_means(x * y)
    means: Array = sums / x.dtype.type(n)
    return means[..., None]


def _column_sums(x: Array) -> Array:
    """Sums over the first axis: of some rows by BLAS, then of those sums."""
    flat = x.reshape(len(x), math.prod(x.shape[1:]))
    total = np.zeros(flat.shape[1], x.dtype)
    for start in range(0, len(flat), LONG):
        part = flat[start : start + LONG]
        total += part[0] if len(part) == 1 else np.ones(len(part), x.dtype) @ part
    return total.reshape(x.shape[1:])


def _three_axes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return shape[0], shape[1], math.prod(shape[2:])


def _fold(x: Array, shape: tuple[int, ...]) -> Array:
    """Sums of equally many neighbours, as many as a shape has elements."""
    size = math.prod(shape)
    if x.size == size:
        return x.reshape(shape)
    sums: Array = np.add.reduce(x.reshape(size, x.size // max(1, size)), axis=1)
    return sums.reshape(shape)


def _reciprocal_root(variance: Array, eps: float) -> Array:
    one: Array = variance.dtype.type(1) / np.sqrt(variance + variance.dtype.type(eps))
    return one


def _scale_and_shift(x: Array, scale: Array | None, shift: Array | None) -> None:
    if scale is not None:
        x *= scale
    if shift is not None:
        x += shift
