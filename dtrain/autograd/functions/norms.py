# mypy: disable-error-code="no-any-return"
"""Norms of vectors."""

import math
from typing import Any

from dtrain.autograd.functions import comparison
from dtrain.autograd.functions.arguments import Dim, dim_of, dims_of, number_of
from dtrain.autograd.functions.extremes import require_some
from dtrain.autograd.functions.reduction import as_dtype, halves_widened, require_float
from dtrain.autograd.functions.registry import public
from dtrain.autograd.functions.spread import root
from dtrain.autograd.ops import elementwise, reduce
from dtrain.autograd.ops.distance import lp_norm
from dtrain.autograd.tensor import Tensor

__all__ = [
    "cdist", "dist", "norm", "renorm",
]  # fmt: skip


@public()
def norm(
    input: Tensor, p: Any = "fro", dim: Dim = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """The p-norm of all elements or over dimensions; "fro" is p = 2."""
    input = require_float(as_dtype(input, dtype), "norm")
    order = 2.0 if p in ("fro", None) else number_of(p)
    if not isinstance(order, int | float):
        raise RuntimeError(f"norm: p must be a number, inf or 'fro', not {p!r}")
    return vector_norm(input, float(order), dim, keepdim)


@halves_widened
def vector_norm(input: Tensor, order: float, dim: Dim, keepdim: bool) -> Tensor:
    """(sum |x| ** p) ** (1 / p) over dimensions, with its limits at 0 and +-inf; its gradient is 0
    where the norm is 0."""
    axes = dims_of(dim, input.ndim)
    size = elementwise.abs_(input)
    if order == 0:
        return reduce.sum_((input != 0).to(input.dtype) + size * 0.0, axis=axes, keepdims=keepdim)
    if math.isinf(order):
        extreme = reduce.amax if order > 0 else reduce.amin
        return extreme(require_some(size, "linalg.vector_norm", dim), axis=axes, keepdims=keepdim)
    if order == 1:
        return reduce.sum_(size, axis=axes, keepdims=keepdim)
    if order == 2:
        return root(reduce.sum_(input * input, axis=axes, keepdims=keepdim))
    zero = size.detach() == 0
    powers = elementwise.pow_(comparison.where(zero, 1.0, size), order)
    powers = comparison.where(zero, 0.0 if order > 0 else math.inf, powers)
    total = reduce.sum_(powers, axis=axes, keepdims=keepdim)
    nothing = total.detach() == 0
    if not nothing._array.any():
        return elementwise.pow_(total, 1 / order)
    safe = elementwise.pow_(comparison.where(nothing, 1.0, total), 1 / order)
    return comparison.where(nothing, 0.0, safe)


@public()
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference."""
    return norm(input - other, p)


@public(in_place=True)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices of a dimension whose p-norm is greater than maxnorm, scaled down to it."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    axis = dim_of(dim, input.ndim)
    others = tuple(at for at in range(input.ndim) if at != axis)
    size = vector_norm(input, float(p), others, True)
    return input * comparison.where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


@public(method=False)
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: Any = None) -> Tensor:
    """p-norms of the differences of all pairs of rows.

    Shapes:  x1 (..., n, k);  x2 (..., m, k);  result (..., n, m).
    """
    if x1.ndim < 2 or x2.ndim < 2:
        raise RuntimeError(
            f"cdist only supports at least 2D tensors, X1 got: {x1.ndim}D X2 got: {x2.ndim}D"
        )
    if x1._array.shape[-1] != x2._array.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1._array.shape[-1]} "
            f"X2: {x2._array.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    apart = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    if not x1._array.shape[-1]:
        return apart.sum(-1)
    return lp_norm(apart, p=float(p), axis=-1).squeeze(-1)
