# mypy: disable-error-code="no-any-return"
"""Running sums, products and extremes along a dimension, and differences."""

from typing import Any

from dtrain.autograd.functions import results
from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.reduction import as_dtype
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.functions.sorting import scalar, taken
from dtrain.autograd.ops import scan, shape
from dtrain.autograd.tensor import Tensor

__all__ = [
    "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "diff", "logcumsumexp",
    "trapezoid", "trapz",
]  # fmt: skip


@public(in_place=True)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Sums of the elements so far along a dimension; bools and integers give int64."""
    return as_dtype(scan.cumsum(as_dtype(input, dtype), axis=dim_of(dim, input.ndim)), dtype)


@public(in_place=True)
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Products of the elements so far along a dimension; bools and integers give int64."""
    return as_dtype(scan.cumprod(as_dtype(input, dtype), axis=dim_of(dim, input.ndim)), dtype)


@public()
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the running sum of e ** x along a dimension."""
    return scan.logcumsumexp(input, axis=dim_of(dim, input.ndim))


def _running(input: Tensor, dim: int, sign: int, named: Any) -> results.Ordered:
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        return scalar(input, named)
    return taken(input, scan.running_extreme(input._array, axis, sign), axis, named)


@public()
def cummax(input: Tensor, dim: int) -> results.Ordered:
    """(values, indices) of the greatest element so far along a dimension."""
    return _running(input, dim, 1, results.cummax)


@public()
def cummin(input: Tensor, dim: int) -> results.Ordered:
    """(values, indices) of the least element so far along a dimension."""
    return _running(input, dim, -1, results.cummin)


@public()
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Each element minus the one before it along a dimension, n times over."""
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    axis = dim_of(dim, input.ndim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return input
    parts = [each for each in (prepend, input, append) if each is not None]
    out: Tensor = shape.cat(*parts, dim=axis) if len(parts) > 1 else input
    lead = (slice(None),) * axis
    for _ in range(min(n, out._array.shape[axis])):
        later, former = out[(*lead, slice(1, None))], out[(*lead, slice(None, -1))]
        out = later != former if out._array.dtype == bool else later - former
    return out


def _areas(y: Tensor, x: Tensor | None, dx: Any, dim: int) -> tuple[Tensor, int]:
    """Twice the area below each piece of a curve, and the axis along which it runs."""
    axis = dim_of(dim, y.ndim)
    lead = (slice(None),) * axis
    heights = y[(*lead, slice(1, None))] + y[(*lead, slice(None, -1))]
    if x is None:
        return heights * dx, axis
    if x.ndim == 1:
        if x.numel() != y._array.shape[axis]:
            raise RuntimeError(
                "trapezoid: There must be one `x` value for each sample point, but there are "
                f"{x.numel()} for {y._array.shape[axis]}"
            )
        x = x.reshape([-1 if at == axis else 1 for at in range(y.ndim)])
    else:
        axis -= y.ndim
        x = x.movedim(dim, axis) if dim % x.ndim != axis % x.ndim else x
    widths = diff(x, dim=axis)
    return heights * widths, axis


@public(method=False)
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The integral of y along a dimension, over x or in steps of dx, by the trapezoidal rule."""
    areas, axis = _areas(y, x, dx, dim)
    return areas.sum(axis) / 2


@public(method=False)
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1
) -> Tensor:
    """The integral so far, as `trapezoid`, from the second element on."""
    areas, axis = _areas(y, x, dx, dim)
    return cumsum(areas, axis) / 2


alias("trapz", "trapezoid")
trapz = trapezoid
