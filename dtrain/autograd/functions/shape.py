# mypy: disable-error-code="no-any-return"
"""The same elements in another shape or order: views where PyTorch has views."""

import math
from typing import Any

from dtrain.autograd.functions.arguments import dim_of, sizes
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import reduce
from dtrain.autograd.ops import shape as ops
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import memory

__all__ = ["flatten", "permute", "reshape", "squeeze", "t", "transpose", "unsqueeze"]


@public()
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape; one size may be -1."""
    return ops.reshape(input, shape=sizes(shape))


@public(function=False)
def view(input: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, sharing memory. Raises RuntimeError where that cannot be."""
    out = reshape(input, *shape)
    if input.numel() and memory(out._array) is not memory(input._array):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return out


@public()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim ... end_dim joined into one."""
    size = input._array.shape
    if not size:
        return reshape(input, 1)
    start, end = dim_of(start_dim, len(size)), dim_of(end_dim, len(size))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    joined = math.prod(size[start : end + 1])
    return reshape(input, (*size[:start], joined, *size[end + 1 :]))


@public()
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without dimensions of size 1, or without those given if their size is 1."""
    size = input._array.shape
    if dim is None:
        axes = set(range(len(size)))
    else:
        axes = {
            dim_of(each, len(size)) for each in (dim if isinstance(dim, tuple | list) else [dim])
        }
    return reshape(
        input, tuple(each for at, each in enumerate(size) if at not in axes or each != 1)
    )


@public()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 put in."""
    size = input._array.shape
    at = dim_of(dim, len(size) + 1)
    return reshape(input, (*size[:at], 1, *size[at:]))


@public()
def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dimension i of the result is dimension dims[i]."""
    return ops.permute(input, axes=tuple(dim_of(dim, input.ndim) for dim in sizes(dims)))


@public()
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    axes = list(range(input.ndim))
    if not axes:
        return reshape(input, ())
    first, second = dim_of(dim0, input.ndim), dim_of(dim1, input.ndim)
    axes[first], axes[second] = axes[second], axes[first]
    return ops.permute(input, axes=tuple(axes))


@public()
def t(input: Tensor) -> Tensor:
    """A matrix transposed."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return reversed_(input)


def reversed_(input: Tensor) -> Tensor:
    """All dimensions in reverse order."""
    return ops.permute(input, axes=tuple(reversed(range(input.ndim))))


public(function=False, name="T")(property(reversed_))  # type: ignore[type-var]
public(function=False, name="mT")(property(lambda input: transpose(input, -2, -1)))  # type: ignore[type-var]


@public(function=False)
def expand(input: Tensor, *size: Any) -> Tensor:
    """Broadcast; a view. -1 keeps a size."""
    wanted = sizes(size)
    if len(wanted) < input.ndim:
        raise RuntimeError(
            f"expand({input.ndim}D tensor, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor "
            f"({input.ndim})"
        )
    own = (1,) * (len(wanted) - input.ndim) + input._array.shape
    kept = tuple(o if w == -1 else w for w, o in zip(wanted, own, strict=True))
    return reduce.expand(input, shape=kept)


@public(function=False)
def contiguous(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """Itself if it is in C order, else a copy that is."""
    return input if input._array.flags.c_contiguous else input.clone()
