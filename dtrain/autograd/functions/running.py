# mypy: disable-error-code="no-any-return"
"""Running sums, products and extremes along a dimension, and differences."""

from typing import Any

from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.reduction import as_dtype
from dtrain.autograd.functions.registry import public
from dtrain.autograd.functions.sorting import Ordered, sort, taken
from dtrain.autograd.ops import scan, shape
from dtrain.autograd.tensor import Tensor

__all__ = [
    "cummax", "cummin", "cumprod", "cumsum", "diff", "logcumsumexp",
]  # fmt: skip


@public(in_place=True)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Sums of the elements so far along a dimension."""
    return scan.cumsum(as_dtype(input, dtype), axis=dim_of(dim, input.ndim))


@public(in_place=True)
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Products of the elements so far along a dimension."""
    return scan.cumprod(as_dtype(input, dtype), axis=dim_of(dim, input.ndim))


@public()
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the running sum of e ** x along a dimension."""
    return scan.logcumsumexp(input, axis=dim_of(dim, input.ndim))


def _running(input: Tensor, dim: int, sign: int) -> Ordered:
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        return sort(input)
    return taken(input, scan.running_extreme(input._array, axis, sign), axis)


@public()
def cummax(input: Tensor, dim: int) -> Ordered:
    """(values, indices) of the greatest element so far along a dimension."""
    return _running(input, dim, 1)


@public()
def cummin(input: Tensor, dim: int) -> Ordered:
    """(values, indices) of the least element so far along a dimension."""
    return _running(input, dim, -1)


@public()
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Each element minus the one before it along a dimension, n times over."""
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    axis = dim_of(dim, input.ndim)
    if n == 0:
        return input
    parts = [each for each in (prepend, input, append) if each is not None]
    out: Tensor = shape.cat(*parts, dim=axis) if len(parts) > 1 else input
    lead = (slice(None),) * axis
    for _ in range(min(n, out._array.shape[axis])):
        later, former = out[(*lead, slice(1, None))], out[(*lead, slice(None, -1))]
        out = later != former if out._array.dtype == bool else later - former
    return out
