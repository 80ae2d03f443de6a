# mypy: disable-error-code="no-any-return"
"""Lengths, distances and angles of vectors."""

from typing import Any

import numpy as np

from dtrain.autograd.dtypes import result_dtype
from dtrain.autograd.functions.reduction import halves_widened
from dtrain.autograd.inplace import assign
from dtrain.autograd.ops.distance import lp_norm
from dtrain.autograd.ops.logic import where
from dtrain.autograd.tensor import Tensor, wrap

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """x / max(|x|_p, eps), with the p-norm over a dimension, or over several.

    With `out` the result is written there. Raises IndexError for a dimension that does not exist,
    RuntimeError for integers.
    """
    if not input.is_floating_point():
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. "
            f"Got {input._array.dtype}"
        )
    length = _norm(input, p, dim)
    result: Any = input / where(length < eps, eps, length)
    return result if out is None else assign(out, result)  # type: ignore[return-value]


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """|x1 - x2 + eps|_p over the last dimension. Shapes: (..., d) and (..., d) -> (...)."""
    gap = (x1 - x2) + eps
    length = _norm(gap if gap.is_floating_point() else gap.float(), p, -1)
    return length if keepdim else _squeezed(length, -1)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """p-norms of the differences of all pairs of rows, each pair once.

    Shapes:  input (n, d);  result (n (n - 1) / 2): rows 0 and 1, 0 and 2, ..., 1 and 2, ...
    Raises:  RuntimeError for another number of dimensions, integers, and a negative p.
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not input.is_floating_point():
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    one, other = (wrap(rows) for rows in np.triu_indices(len(input), 1))
    gap: Any = input[one] - input[other]
    return _squeezed(_norm(gap, p, -1), -1) if gap.numel() else gap.sum(-1)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) over a dimension of the broadcast inputs.

    Raises RuntimeError for integers or shapes that do not go together, IndexError for a dimension
    that does not exist.
    """
    dtype = result_dtype([x1._array, x2._array])
    if dtype.kind != "f":
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {dtype}"
        )
    shape = common_shape(x1, x2)
    first, second = (_unit(each.expand(*shape), dim, eps) for each in (x1, x2))
    product = first * second
    return product.sum(dim) if product.ndim else product


def _unit(x: Tensor, dim: int, eps: float) -> Any:
    """x / max(|x|, eps); backward takes no notice of the bound, as in PyTorch."""
    length = _norm(x, 2.0, dim)
    return x / bounded(length, eps)


def bounded(x: Tensor, low: float) -> Tensor:
    """max(x, low), which backward takes for x: PyTorch's `clamp_` without recording."""
    array = x._array
    return x + wrap(np.where(array < low, low - array, array.dtype.type(0)))


@halves_widened
def _norm(x: Tensor, p: float, dim: Any) -> Any:
    if not x.ndim and dim in (0, -1):
        return lp_norm(x, p=float(p))
    return lp_norm(x, p=float(p), axis=tuple(dim) if isinstance(dim, list | tuple) else dim)


def _squeezed(x: Tensor, dim: int) -> Tensor:
    return x.squeeze(dim) if x.ndim else x


def common_shape(x1: Tensor, x2: Tensor) -> tuple[int, ...]:
    """The shape that both broadcast to. Raises RuntimeError if there is none."""
    try:
        return np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        raise RuntimeError(
            f"shapes {list(x1.shape)} and {list(x2.shape)} do not broadcast"
        ) from None
