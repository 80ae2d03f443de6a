# mypy: disable-error-code="no-any-return"
"""Picking elements: by index along a dimension, by a mask."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import dim_of, tensors_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import reduce as reductions
from dtrain.autograd.ops import shape
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "argwhere", "gather", "index_select", "masked_select", "narrow", "nonzero", "repeat_interleave",
    "select", "take", "take_along_dim",
]  # fmt: skip


_index_select = shape.index.called("IndexSelectBackward0")
_gather = shape.take_along.called("GatherBackward0")


@public()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at an index of a dimension, without it; a view."""
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    size = input._array.shape[axis]
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input._array.shape)} "
            f"at dimension {axis}"
        )
    return shape.select(input, key=(slice(None),) * axis + (int(index),))


@public()
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` slices of a dimension, from `start`; a view."""
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start.ndim or start._array.dtype.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    size = input._array.shape[axis]
    at = int(start)
    if not -size <= at <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {at})"
        )
    at %= size + (at == size) if size else 1
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if at + length > size:
        raise RuntimeError(f"start ({at}) + length ({length}) exceeds dimension size ({size}).")
    return shape.narrow(input, key=(slice(None),) * axis + (slice(at, at + length),))


def indices_of(index: Any, who: str, name: str = "index") -> Any:
    """An index tensor's array. Raises TypeError for what is none, RuntimeError for no integers."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{who}(): argument '{name}' must be Tensor, not {type(index).__name__}")
    if index._array.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{who}(): Expected dtype int32/int64 for index")
    return index._array


def in_range(index: Any, size: int, error: type[Exception], dim: int = 0) -> Any:
    """Raises for an index that is not one; negative ones are not counted back from the end."""
    wrong = (index < 0) | (index >= size)
    if wrong.any():
        first = int(index[wrong][0])
        raise error(f"index {first} is out of bounds for dimension {dim} with size {size}")
    return index


@public()
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices of a dimension, as an index tensor of one dimension names them."""
    axis = dim_of(dim, input.ndim)
    at = indices_of(index, "index_select")
    if at.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if not input.ndim:
        return input.reshape(1)[index.reshape(-1)].reshape(())
    in_range(at.reshape(-1), input._array.shape[axis], IndexError, axis)
    return _index_select(input, key=(slice(None),) * axis + (at.reshape(-1),))


def require_lined_up(input: Tensor, index: Any, axis: int) -> None:
    """Raises RuntimeError if an index reaches beyond the input in another dimension."""
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for dim, (size, own) in enumerate(zip(index.shape, input._array.shape, strict=False)):
        if dim != axis and size > own:
            raise RuntimeError(
                f"Size does not match at dimension {dim} expected index {list(index.shape)} to be "
                f"no larger than self {list(input._array.shape)} apart from dimension {axis}"
            )


def window(value: Tensor, size: Sequence[int], axis: int | None = None) -> Tensor:
    """The leading part of a tensor, of a size, whole along one axis."""
    key = tuple(slice(None) if dim == axis else slice(0, each) for dim, each in enumerate(size))
    return value if value._array.shape == tuple(size) else shape.index(value, key=key)


@public()
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j][k] = input[index[i][j][k]][j][k], for dim 0."""
    axis = dim_of(dim, input.ndim)
    if isinstance(index, Tensor) and not index.numel():  # of any dtype and shape
        return input.reshape(-1)[:0].reshape(index.shape)
    at = indices_of(index, "gather")
    require_lined_up(input, at, axis)
    if not input.ndim or not at.ndim:
        in_range(at.reshape(-1), input.numel(), RuntimeError)
        return shape.index(input.reshape(-1), key=at.reshape(-1)).reshape(at.shape)
    in_range(at, input._array.shape[axis], RuntimeError, axis)
    part = window(input, at.shape, axis)
    return _gather(part, indices=at, axis=axis)


@public()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with broadcasting, or from the flattened input."""
    at = indices_of(indices, "take_along_dim", "indices")
    if dim is None:
        return shape.index(input.reshape(-1), key=at.reshape(-1))
    if input.ndim != at.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.ndim} dimensions for input, and {at.ndim} dimensions for indices"
        )
    axis = dim_of(dim, input.ndim)
    own, wanted = list(input._array.shape), list(at.shape)
    common = list(
        np.broadcast_shapes(
            tuple(1 if d == axis else s for d, s in enumerate(own)),
            tuple(1 if d == axis else s for d, s in enumerate(wanted)),
        )
    )
    own_size = [own[axis] if d == axis else s for d, s in enumerate(common)]
    at_size = [wanted[axis] if d == axis else s for d, s in enumerate(common)]
    wide = reductions.expand(input, shape=tuple(own_size))
    return shape.take_along(wide, indices=np.broadcast_to(at, at_size), axis=axis)


def size_along(input: Tensor, axis: int) -> int:
    """The size of a dimension; a tensor without dimensions is taken to have one of size 1."""
    return input._array.shape[axis] if input.ndim else 1


@public()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in one dimension."""
    tensors_of("masked_select", input, mask)
    if mask._array.dtype != bool:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    size = np.broadcast_shapes(input._array.shape, mask._array.shape)
    wide = reductions.expand(input, shape=size)
    return shape.index(wide, key=np.broadcast_to(mask._array, size))


@public()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of nonzero elements: a row each, or a tensor for each dimension."""
    found = np.nonzero(np.atleast_1d(input._array))
    if as_tuple:
        return tuple(wrap(np.asarray(each, np.int64)) for each in found)
    if not input.ndim:
        return wrap(np.zeros((len(found[0]), 0), np.int64))
    return wrap(np.stack(found, axis=1).astype(np.int64))


@public()
def argwhere(input: Tensor) -> Tensor:
    """The indices of nonzero elements, a row each."""
    return nonzero(input)


@public()
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened input."""
    at = long_indices(index, "take")
    if not input.numel() and at.size:
        raise IndexError("take(): tried to take from an empty tensor")
    return shape.index(input.reshape(-1), key=at.reshape(-1)).reshape(at.shape)


def long_indices(index: Any, who: str) -> Any:
    """An int64 index tensor's array. Raises RuntimeError for another dtype."""
    tensors_of(who, index)
    if index._array.dtype != np.int64:
        raise RuntimeError(f"{who}(): Expected a long tensor for index, but got {index.dtype}")
    return index._array


@public()
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each slice of a dimension (or of the flattened input), so many times in a row; of repeats
    alone, the index of each that many times."""
    if repeats is None:
        return wrap(np.repeat(np.arange(input.numel()), input._array))
    source = input.reshape(-1) if dim is None else input
    axis = 0 if dim is None else dim_of(dim, source.ndim)
    times = repeats._array if isinstance(repeats, Tensor) else np.asarray(repeats)
    size = size_along(source, axis)
    _require_repeats(times, size, output_size)
    at = np.repeat(np.arange(size), times)
    return shape.index(source, key=(slice(None),) * axis + (at,))


def _require_repeats(times: Any, size: int, wanted: int | None) -> None:
    if times.ndim > 1 or (times.size not in (1, size)):
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{times.size} and input.size(0) = {size}"
        )
    if (times < 0).any():
        raise RuntimeError("repeats can not be negative")
    total = int(np.broadcast_to(times, (size,)).sum())
    if wanted is not None and wanted != total:
        raise RuntimeError(f"allocated size does not match required size: {wanted}, {total}")
