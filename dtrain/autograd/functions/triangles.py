# mypy: disable-error-code="no-any-return"
"""Diagonals and triangles of matrices."""

from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import dim_of, dtype_of, require_plain
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import shape
from dtrain.autograd.ops.logic import where
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "diag", "diag_embed", "diagflat", "diagonal", "trace", "tril", "tril_indices", "triu",
    "triu_indices",
]  # fmt: skip


@public()
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions, as the last dimension; a view."""
    first, second = dim_of(dim1, input.ndim), dim_of(dim2, input.ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return shape.diagonal(input, offset=offset, first=first, second=second)


@public()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Zeros with the last dimension of the input on a diagonal of two new ones."""
    ndim = input.ndim + 1
    first, second = dim_of(dim1, ndim), dim_of(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    side = input._array.shape[-1] + abs(offset)
    rest = iter(input._array.shape[:-1])
    size = tuple(side if at in (first, second) else next(rest) for at in range(ndim))
    return shape.embed_diagonal(input, shape=size, offset=offset, first=first, second=second)


@public()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix's diagonal, or a matrix with a vector on its diagonal."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return shape.diagonal(input, offset=diagonal, first=0, second=1).clone()


@public()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements on its diagonal."""
    return diag_embed(input.reshape(-1), offset)


@public()
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise RuntimeError("trace: expected a matrix")
    return diagonal(input).sum()


def _triangle(input: Tensor, keep: Any, who: str) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"{who}: input tensor must have at least 2 dimensions")
    kept = keep(*input._array.shape[-2:])
    return where(wrap(kept), input, wrap(np.zeros((), input._array.dtype)))


@public(in_place=True)
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, zeros above."""
    return _triangle(input, lambda n, m: np.tri(n, m, diagonal, np.bool_), "tril")


@public(in_place=True)
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, zeros below."""
    return _triangle(input, lambda n, m: ~np.tri(n, m, diagonal - 1, np.bool_), "triu")


def _indices(found: Any, dtype: Any, device: Any, layout: Any) -> Tensor:
    require_plain(device, layout)
    return wrap(np.stack(found).astype(dtype_of(dtype, np.dtype(np.int64))))


@public(method=False)
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    layout: Any = None,
) -> Tensor:  # fmt: skip
    """The indices of a lower triangle, a row for each of the two dimensions."""
    return _indices(np.tril_indices(row, offset, col), dtype, device, layout)


@public(method=False)
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    layout: Any = None,
) -> Tensor:  # fmt: skip
    """The indices of an upper triangle, a row for each of the two dimensions."""
    return _indices(np.triu_indices(row, offset, col), dtype, device, layout)
