# mypy: disable-error-code="no-any-return"
"""PyTorch's `linalg`: norms and products of vectors and matrices. It has no decompositions."""

import math
from collections.abc import Sequence
from typing import Any

from dtrain import absent
from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.combining import vander as _vander
from dtrain.autograd.functions.linalg import cross_along, matmul, matrix_power
from dtrain.autograd.functions.norms import vector_norm as _vector_norm
from dtrain.autograd.functions.reduction import as_dtype, require_float
from dtrain.autograd.functions.triangles import diagonal as _diagonal
from dtrain.autograd.tensor import Tensor

__all__ = [
    "cross", "diagonal", "matmul", "matrix_norm", "matrix_power", "multi_dot", "norm", "vander",
    "vecdot", "vector_norm",
]  # fmt: skip
absent.explain(__name__)


def vector_norm(
    x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """(sum |x| ** ord) ** (1 / ord) over dimensions, by default all; its limits at 0 and +-inf."""
    x = require_float(as_dtype(x, dtype), "linalg.vector_norm")
    if not isinstance(ord, int | float):
        raise TypeError(f"linalg.vector_norm(): argument 'ord' must be Number, not {ord!r}")
    return _vector_norm(x, float(ord), dim, keepdim)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Of matrices, in the last two dimensions or in those given: "fro", the root of the sum of
    squares; 1 or -1, the greatest or least sum of |x| in a column; inf or -inf, in a row.

    Raises RuntimeError for "nuc", 2 and -2, which need singular values.
    """
    A = require_float(as_dtype(A, dtype), "linalg.matrix_norm")
    row, column = _two(A, dim)
    if ord == "fro":
        return _vector_norm(A, 2.0, (row, column), keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(
            f"linalg.matrix_norm: dtrain has orders 'fro', 1, -1, inf and -inf, not {ord!r}"
        )
    along, across = (row, column) if abs(ord) == 1 else (column, row)
    sums = A.abs().sum(along, keepdim=True)
    out = sums.amax(across, keepdim=True) if ord > 0 else sums.amin(across, keepdim=True)
    return out if keepdim else out.squeeze((row, column))


def _two(A: Tensor, dim: Any) -> tuple[int, int]:
    if A.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    if not isinstance(dim, Sequence) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    row, column = (dim_of(each, A.ndim) for each in dim)
    if row == column:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got {tuple(dim)}")
    return row, column


def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """A matrix's norm if two dimensions are given, or an order for a matrix; else a vector's."""
    if dim is not None and not isinstance(dim, Sequence):
        dim = (dim,)
    if ord is not None:
        if dim is not None and len(dim) not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}"
            )
        if dim is None and A.ndim not in (1, 2):
            raise RuntimeError(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                f"{A.ndim}D."
            )
        if isinstance(ord, str) or (len(dim) if dim is not None else A.ndim) == 2:
            return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The sum of products along a dimension; the others are broadcast."""
    return (x * y).sum(dim, dtype=x.dtype)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of matrices, in the order that takes the fewest multiplications; the first may be
    a row, the last a column."""
    given = list(tensors)
    if len(given) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(given)}")
    for at, each in enumerate(given):
        ends = at in (0, len(given) - 1)
        if each.ndim != 2 and not (ends and each.ndim == 1):
            raise RuntimeError(
                f"multi_dot(): tensor {at} must be {'1D or 2D' if ends else '2D'} but got "
                f"{each.ndim}D"
            )
    row, column = given[0].ndim == 1, given[-1].ndim == 1
    if row:
        given[0] = given[0].unsqueeze(0)
    if column:
        given[-1] = given[-1].unsqueeze(1)
    out = _product(given, _best_cuts([*(each.shape[0] for each in given), given[-1].shape[1]]))
    return out.reshape(tuple(out.shape)[row : 2 - column])


Cuts = dict[tuple[int, int], int]


def _best_cuts(sizes: list[int]) -> Cuts:
    """Where to cut matrices first ... last in two, so that the products cost least.

    Source: Cormen et al. 2009, section 15.2.
    """
    count = len(sizes) - 1
    cost = {(at, at): 0 for at in range(count)}
    cuts: Cuts = {}
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            options = {
                cut: cost[first, cut]
                + cost[cut + 1, last]
                + sizes[first] * sizes[cut + 1] * sizes[last + 1]
                for cut in range(first, last)
            }
            cuts[first, last] = min(options, key=lambda cut: options[cut])
            cost[first, last] = options[cuts[first, last]]
    return cuts


def _product(given: list[Tensor], cuts: Cuts) -> Tensor:
    def product(first: int, last: int) -> Tensor:
        if first == last:
            return given[first]
        cut = cuts[first, last]
        return matmul(product(first, cut), product(cut + 1, last))

    return product(0, len(given) - 1)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product along a dimension of size 3."""
    return cross_along(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonal of two dimensions, by default the last ones, as the last dimension; a view."""
    return _diagonal(A, offset, dim1, dim2)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Powers 0 ... N - 1 of the elements along the last dimension, in a new last dimension."""
    count = (x.shape[-1] if x.ndim else 1) if N is None else N
    if N is not None and N <= 1:
        raise RuntimeError("N must be greater than 1.")
    flat = _vander(x.reshape(-1), count, increasing=True)
    return flat.reshape(*(x.shape or (1,)), count)
