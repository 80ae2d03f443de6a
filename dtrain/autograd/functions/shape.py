# mypy: disable-error-code="no-any-return"
"""The same elements in another shape: views where PyTorch has views."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import dim_of, sizes, tensor_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import reduce
from dtrain.autograd.ops import shape as ops
from dtrain.autograd.size import Size
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.autograd.value import memory

__all__ = [
    "as_strided", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes",
    "broadcast_tensors", "broadcast_to", "flatten", "ravel", "reshape", "squeeze", "unflatten",
    "unsqueeze",
]  # fmt: skip


@public()
def reshape(input: Tensor, *given: Any, shape: Any = None) -> Tensor:
    """The same elements in another shape; one size may be -1. A view where that can be."""
    tensor_of(input, who="reshape")
    return ops.reshape(
        input, shape=fitting(input._array.shape, sizes(given if shape is None else (shape,)))
    )


def fitting(own: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The wanted sizes with -1 worked out. Raises RuntimeError as PyTorch does."""
    count, known = math.prod(own), math.prod(size for size in wanted if size != -1)
    if wanted.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if any(size < -1 for size in wanted):
        raise RuntimeError(f"invalid shape dimension {min(wanted)}")
    if -1 in wanted and not known:
        raise RuntimeError(
            f"cannot reshape tensor of {count} elements into shape {list(wanted)} because the "
            "unspecified dimension size -1 can be any value and is ambiguous"
        )
    if count % known if -1 in wanted else count != known:
        raise RuntimeError(f"shape '{list(wanted)}' is invalid for input of size {count}")
    return tuple(count // known if size == -1 else size for size in wanted)


@public(function=False)
def view(input: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, sharing memory, or with a dtype, as `to`. Raises RuntimeError where memory
    cannot be shared."""
    if len(shape) == 1 and not isinstance(shape[0], int | Sequence | Tensor):
        return wrap(input._array.view(shape[0].dtype))
    out = reshape(input, *shape)
    if input.numel() and memory(out._array) is not memory(input._array):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return out


@public(function=False)
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` in the shape of another tensor."""
    return view(input, other._array.shape)


@public(function=False)
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` in the shape of another tensor."""
    return reshape(input, other._array.shape)


@public()
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshape(input, -1)


@public()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim ... end_dim joined into one."""
    size = input._array.shape
    start, end = dim_of(start_dim, len(size)), dim_of(end_dim, len(size))
    if not size:
        return reshape(input, 1)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    joined = math.prod(size[start : end + 1])
    return reshape(input, (*size[:start], joined, *size[end + 1 :]))


@public()
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension taken apart into several; one size may be -1."""
    size = input._array.shape
    at = dim_of(dim, len(size))
    if not len(sizes):
        raise RuntimeError("unflatten: sizes must be non-empty")
    known = math.prod(each for each in sizes if each != -1)
    parts = [size[at] // max(known, 1) if each == -1 else each for each in sizes]
    if math.prod(parts) != size[at]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {at} "
            f"({size[at]}) in the input tensor"
        )
    return reshape(input, (*size[:at], *parts, *size[at + 1 :]))


_SQUEEZE = defaultdict(
    lambda: ops.reshape.called("SqueezeBackward2"),
    {
        type(None): ops.reshape.called("SqueezeBackward0"),
        int: ops.reshape.called("SqueezeBackward1"),
    },
)


@public()
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without dimensions of size 1, or without those given if their size is 1."""
    size = input._array.shape
    if dim is None:
        axes = set(range(len(size)))
    else:
        axes = {dim_of(each, len(size)) for each in (dim if isinstance(dim, Sequence) else [dim])}
    kept = tuple(each for at, each in enumerate(size) if at not in axes or each != 1)
    return _SQUEEZE[type(dim)](input, shape=kept)


@public()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 put in."""
    size = input._array.shape
    at = dim_of(dim, len(size) + 1)
    return ops.unsqueeze(input, shape=(*size[:at], 1, *size[at:]))


@public(function=False)
def expand(input: Tensor, *given: Any, size: Any = None) -> Tensor:
    """Broadcast; a view. -1 keeps a size."""
    wanted = sizes(given if size is None else (size,))
    if len(wanted) < input.ndim:
        raise RuntimeError(
            f"expand({input.ndim}D tensor, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor "
            f"({input.ndim})"
        )
    new = len(wanted) - input.ndim
    if any(each < 0 for each in wanted[:new]):
        raise RuntimeError(
            "expand: the expanded size of the tensor (-1) isn't allowed in a leading, non-existing "
            "dimension"
        )
    own = (1,) * new + input._array.shape
    kept = tuple(o if w == -1 else w for w, o in zip(wanted, own, strict=True))
    for at, (one, other) in enumerate(zip(own, kept, strict=True)):
        if one not in (1, other):
            raise RuntimeError(
                f"The expanded size of the tensor ({other}) must match the existing size ({one}) "
                f"at non-singleton dimension {at}.  Target sizes: {list(kept)}.  Tensor sizes: "
                f"{list(input._array.shape)}"
            )
    return reduce.expand(input, shape=kept)


@public(function=False)
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Broadcast to the shape of another tensor."""
    return expand(input, *other._array.shape)


@public()
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Broadcast; a view."""
    return expand(input, *sizes((size,)))


@public(method=False)
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Each tensor, broadcast to the shape they have in common."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Sequence) else tensors
    try:
        size = np.broadcast_shapes(*(each._array.shape for each in given))
    except ValueError as error:
        raise RuntimeError(f"the tensors' sizes do not go together: {error}") from None
    return tuple(expand(each, *size) for each in given)


@public(method=False)
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that shapes are broadcast to."""
    given = [(each,) if isinstance(each, int) else tuple(each) for each in shapes]
    if any(size < 0 for each in given for size in each):
        raise RuntimeError("Trying to create tensor with negative dimension")
    try:
        return Size(np.broadcast_shapes(*given))
    except ValueError as error:
        raise RuntimeError(
            f"Shape mismatch: objects cannot be broadcast to a single shape: {error}"
        ) from None


@public(function=False)
def sum_to_size(input: Tensor, *given: Any, size: Any = None) -> Tensor:
    """The sum over what broadcasting would make of a smaller shape."""
    wanted = sizes(given if size is None else (size,))
    own = input._array.shape
    lead = len(own) - len(wanted)
    if lead < 0 or any(each not in (1, had) for each, had in zip(wanted, own[lead:], strict=True)):
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(own)}}}.")
    if wanted and wanted == own:
        return input
    wide = input if input._array.dtype.kind == "f" else input.long()
    return reduce.sum_to(wide, shape=wanted)


@public(function=False)
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of a size along a dimension, every `step` elements, as a last dimension; a view."""
    axis = dim_of(dimension, input.ndim)
    own = input._array.shape[axis] if input.ndim else 1
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > own:
        raise RuntimeError(
            f"maximum size for tensor at dimension {axis} is {own} but size is {size}"
        )
    if not input.ndim:
        return ops.reshape(input, shape=(1,))[:size]
    if not size:
        return input.new_zeros(
            (*input._array.shape[:axis], own // step + 1, *input._array.shape[axis + 1 :], 0)
        )
    return ops.slide(input, axis=axis, size=size, step=step)


@public()
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Element (i, j, ...) is that at storage_offset + i stride[0] + j stride[1] + ... in memory; a
    view. Raises RuntimeError beyond the tensor, and for one that is not contiguous."""
    shape, steps = sizes((size,)), sizes((stride,))
    own = input.storage_offset()
    offset = 0 if storage_offset is None else storage_offset - own  # from the first element
    if len(shape) != len(steps):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(step < 0 for step in steps):
        raise RuntimeError("as_strided: Negative strides are not supported at the moment")
    if not input._array.flags.c_contiguous:
        raise RuntimeError("as_strided: dtrain takes contiguous tensors only; call .contiguous()")
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if math.prod(shape) and (last >= input.numel() or offset < 0):
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset "
            f"{offset + own} are out of bounds for storage of size {input.nbytes}"
        )
    return ops.strided(input, size=shape, stride=steps, offset=offset)


def _at_least(ndim: int, input: Any) -> Any:
    if isinstance(input, Sequence):
        return tuple(_at_least(ndim, each) for each in input)
    size = input._array.shape
    if len(size) >= ndim:
        return input
    if ndim == 3 and len(size) == 2:
        return reshape(input, (*size, 1))
    if ndim == 3:
        return reshape(input, (1, *size, 1) if size else (1, 1, 1))
    return reshape(input, (1,) * (ndim - len(size)) + size)


@public(method=False)
def atleast_1d(*tensors: Any) -> Any:
    """With at least one dimension."""
    return _at_least(1, tensors[0] if len(tensors) == 1 else tensors)


@public(method=False)
def atleast_2d(*tensors: Any) -> Any:
    """With at least two dimensions."""
    return _at_least(2, tensors[0] if len(tensors) == 1 else tensors)


@public(method=False)
def atleast_3d(*tensors: Any) -> Any:
    """With at least three dimensions."""
    return _at_least(3, tensors[0] if len(tensors) == 1 else tensors)


@public(function=False)
def contiguous(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """Itself if it is in C order, else a copy that is."""
    return input if input._array.flags.c_contiguous else input.clone()
