# mypy: disable-error-code="no-any-return"
"""Matrices made of tensors: blocks, powers, every choice of elements."""

import itertools
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import default_dtype, result_dtype
from dtrain.autograd.functions.joining import cat, meshgrid, stack
from dtrain.autograd.functions.registry import public
from dtrain.autograd.functions.shape import atleast_2d
from dtrain.autograd.tensor import Tensor, wrap

__all__ = ["block_diag", "cartesian_prod", "combinations", "vander"]


@public(method=False)
def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the tensors, of at most two dimensions, along its diagonal."""
    if any(each.ndim > 2 for each in tensors):
        raise RuntimeError("torch.block_diag: Input tensors must have 2 or fewer dimensions.")
    if not tensors:
        return wrap(np.zeros((1, 0), default_dtype()))
    dtype = result_dtype([each._array for each in tensors])
    blocks = [each.to(dtype) for each in atleast_2d(list(tensors))]
    width = sum(each._array.shape[1] for each in blocks)
    rows, left = [], 0
    for each in blocks:
        height, own = each._array.shape
        zeros = [each.new_zeros((height, size)) for size in (left, width - left - own)]
        rows.append(cat([zeros[0], each, zeros[1]], 1))
        left += own
    return cat(rows)


@public(method=False)
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every choice of one element of each vector, a row each; of one vector, itself."""
    for each in tensors:
        if each.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(each.shape)}\n")
    if len(tensors) == 1:
        return tensors[0]
    return stack([each.reshape(-1) for each in meshgrid(*tensors)], 1)


@public()
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of r elements of a vector, in order, a row each."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_zeros(0)
    choose: Any = (
        itertools.combinations_with_replacement if with_replacement else itertools.combinations
    )
    rows = np.array(list(choose(range(input.numel()), r)), np.int64).reshape(-1, r)
    return input[wrap(rows)]


@public(method=False)
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of the elements of a vector, falling from N - 1 to 0, a row for each element."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.numel() if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    x = x if x._array.dtype.kind == "f" else x.to(np.int64)
    one = x.new_ones(x.numel())
    powers = list(itertools.accumulate([one, *[x] * (count - 1)], lambda a, b: a * b))[:count]
    if not powers:
        return x.new_zeros((x.numel(), 0))
    return stack(powers if increasing else powers[::-1], 1)
