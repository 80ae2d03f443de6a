# mypy: disable-error-code="no-any-return"
"""Picking elements, and assigning to them."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.inplace import assign, in_place, shadow, write
from dtrain.autograd.modes import MODE
from dtrain.autograd.ops import reduce as reductions
from dtrain.autograd.ops import shape
from dtrain.autograd.ops.logic import where
from dtrain.autograd.tensor import Tensor

__all__ = [
    "diag", "diag_embed", "diagflat", "diagonal", "gather", "index_add", "index_copy", "index_fill",
    "index_put", "index_select", "masked_fill", "masked_scatter", "masked_select", "narrow",
    "nonzero", "repeat_interleave", "scatter", "scatter_add", "select", "select_scatter",
    "slice_scatter", "take", "take_along_dim", "trace", "tril", "tril_indices", "triu",
    "triu_indices",
]  # fmt: skip


def key_of(key: Any) -> Any:
    """An index as NumPy takes it. Raises IndexError or ValueError for what PyTorch refuses."""
    if isinstance(key, tuple):
        return tuple(_part(part) for part in key)
    return _part(key)


def _part(part: Any) -> Any:
    if isinstance(part, Tensor):
        if part._array.dtype.kind == "f":
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        if part._array.dtype == np.uint8:
            return part._array.astype(bool)
        return part._array if part.ndim or part._array.dtype == bool else int(part._array)
    if isinstance(part, slice):
        if part.step is not None and operator.index(part.step) <= 0:
            raise ValueError("step must be greater than zero")
        return slice(
            *(
                None if each is None else operator.index(each)
                for each in (part.start, part.stop, part.step)
            )
        )
    if isinstance(part, list | range):
        listed = np.asarray([_part(each) for each in part])
        return listed.astype(np.int64) if not listed.size else listed
    if isinstance(part, tuple):
        return np.asarray(part)
    if isinstance(part, float | str):
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {type(part).__name__})"
        )
    return part


def _picked(input: Tensor, key: Any) -> Tensor:
    try:
        return shape.index(input, key=key)
    except IndexError as error:
        parts = key if isinstance(key, tuple) else (key,)
        used = sum(each is not None and each is not Ellipsis for each in parts)
        if used > input.ndim:
            what = "a 0-dim tensor" if not input.ndim else f"tensor of dimension {input.ndim}"
            raise IndexError(f"too many indices for {what}") from None
        raise IndexError(f"{error} (a tensor of shape {list(input._array.shape)})") from None


@public(function=False, name="__getitem__")
def pick(input: Tensor, key: Any) -> Tensor:
    """input[key]: a view for integers, slices, None and `...`; else a copy."""
    return _picked(input, key_of(key))


@public(function=False, name="__setitem__")
def put(input: Tensor, key: Any, value: Any) -> None:
    """input[key] = value."""
    at = key_of(key)
    found = _picked(input, at)
    if found._view is not None or not found._array.size:
        copy_(found, fitted(value, found))
        return
    value = fitted(value, found)
    if MODE.enabled and (input.requires_grad or value.requires_grad):
        assign(input, shape.replace(shadow(input), value, key=at))
    else:
        input._array[at] = value._array
        input._bump()


def fitted(value: Any, target: Tensor) -> Tensor:
    """A number or Tensor, broadcast to the shape of a target, in its dtype."""
    if not isinstance(value, Tensor):
        value = target.new_tensor(value)
    while value.ndim > target.ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    value = value.to(target.dtype)
    if value._array.shape == target._array.shape:
        return value
    try:
        return reductions.expand(value, shape=target._array.shape)
    except RuntimeError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to "
            f"indexing result of shape {list(target.shape)}"
        ) from None


def _copied(input: Tensor, src: Any) -> Tensor:
    return shape.overwrite(input, fitted(src, input))


@public(function=False)
def copy_(input: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Copy another tensor's elements into this one's memory; broadcasts and casts."""
    if MODE.enabled and (input.requires_grad or getattr(src, "requires_grad", False)):
        return in_place(_copied)(input, src)
    write(input._array, fitted(src, input)._array)
    input._bump()
    return input


@public(function=False)
def fill_(input: Tensor, value: Any) -> Tensor:
    """Write one value everywhere."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} "
            "dimensions."
        )
    return copy_(input, value)


@public(function=False)
def zero_(input: Tensor) -> Tensor:
    """Write zeros everywhere."""
    return copy_(input, 0)


# Along one dimension


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
    return shape.index(input, key=(slice(None),) * axis + (int(index),))


@public()
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` slices of a dimension, from `start`; a view."""
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
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
    return shape.index(input, key=(slice(None),) * axis + (slice(at, at + length),))


def _indices(index: Any, who: str, name: str = "index") -> Any:
    """An index tensor's array, int64. Raises RuntimeError for other dtypes."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{who}(): argument '{name}' must be Tensor, not {type(index).__name__}")
    if index._array.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{who}(): Expected dtype int32/int64 for index")
    return index._array


def _in_range(index: Any, size: int, who: str) -> Any:
    """Raises, as PyTorch does, for an index that is not one; negative ones are not counted back."""
    wrong = (index < 0) | (index >= size)
    if wrong.any():
        raise IndexError(f"{who}(): index {int(index[wrong][0])} is out of bounds for size {size}")
    return index


@public()
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices of a dimension, as an index tensor of one dimension names them."""
    axis = dim_of(dim, input.ndim)
    at = _indices(index, "index_select")
    if at.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if not input.ndim:
        return input.reshape(1)[at.reshape(-1)].reshape(())
    _in_range(at, input._array.shape[axis], "index_select")
    return shape.index(input, key=(slice(None),) * axis + (at.reshape(-1),))


def _require_lined_up(input: Tensor, index: Any, axis: int, who: str) -> None:
    """Raises RuntimeError if an index reaches beyond the input in another dimension."""
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for dim, (size, own) in enumerate(zip(index.shape, input._array.shape, strict=False)):
        if dim != axis and size > own:
            raise RuntimeError(
                f"Size does not match at dimension {dim} expected index {list(index.shape)} to be "
                f"no larger than self {list(input._array.shape)} apart from dimension {axis}"
            )


def _window(value: Tensor, size: Sequence[int], axis: int | None = None) -> Tensor:
    """The leading part of a tensor, of a size, whole along one axis."""
    key = tuple(slice(None) if dim == axis else slice(0, each) for dim, each in enumerate(size))
    return value if value._array.shape == tuple(size) else shape.index(value, key=key)


@public()
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j][k] = input[index[i][j][k]][j][k], for dim 0."""
    axis = dim_of(dim, input.ndim)
    if isinstance(index, Tensor) and not index.numel():
        index = index.long()
    at = _indices(index, "gather")
    _require_lined_up(input, at, axis, "gather")
    if not at.size:
        return input.new_zeros(at.shape) + input.sum() * 0.0
    if not input.ndim or not at.ndim:
        _in_range(at, input.numel(), "gather")
        return input.reshape(-1)[at.reshape(-1)].reshape(at.shape)
    _in_range(at, input._array.shape[axis], "gather")
    part = _window(input, at.shape, axis)
    return shape.take_along(part, indices=at, axis=axis)


@public()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with broadcasting, or from the flattened input."""
    at = _indices(indices, "take_along_dim", "indices")
    if dim is None:
        return input.reshape(-1)[at.reshape(-1)]
    axis = dim_of(dim, input.ndim)
    own, wanted = list(input._array.shape), list(at.shape)
    common = list(
        np.broadcast_shapes(
            [1 if d == axis else s for d, s in enumerate(own)],
            [1 if d == axis else s for d, s in enumerate(wanted)],
        )
    )
    own_size = [own[axis] if d == axis else s for d, s in enumerate(common)]
    at_size = [wanted[axis] if d == axis else s for d, s in enumerate(common)]
    wide = reductions.expand(input, shape=tuple(own_size))
    return shape.take_along(wide, indices=np.broadcast_to(at, at_size), axis=axis)


def _key_along(at: Any, axis: int) -> tuple[Any, ...]:
    key: list[Any] = list(np.indices(at.shape, sparse=True))
    key[axis] = at
    return tuple(key)


def _scattered(input: Tensor, dim: int, index: Tensor, src: Tensor, who: str) -> tuple[Any, Any]:
    """The key and the values of a scatter."""
    axis = dim_of(dim, input.ndim)
    at = _indices(index, who)
    if not at.size:
        return None, None
    if not input.ndim or not at.ndim:
        return (at.reshape(-1),), src.reshape(-1)[: at.size]
    _require_lined_up(input, at, axis, who)
    _in_range(at, input._array.shape[axis], who)
    return _key_along(at, axis), _window(src, at.shape)


@public(in_place=True)
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """A copy with out[index[i][j]][j] = src[i][j], for dim 0; `reduce`: "add" or "multiply"."""
    source = value if src is None else src
    if isinstance(source, Tensor) and source._array.dtype != input._array.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if reduce == "add":
        return scatter_add(input, dim, index, _as_source(source, input, index))
    key, values = _scattered(input, dim, index, _as_source(source, input, index), "scatter")
    if key is None:
        return input.clone()
    flat = input if input.ndim else input.reshape(1)
    if reduce == "multiply":
        values = shape.index(flat, key=key) * values
    elif reduce is not None:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return shape.replace(flat, values, key=key).reshape(input._array.shape)


def _as_source(value: Any, input: Tensor, index: Tensor) -> Tensor:
    if isinstance(value, Tensor) and (value.ndim or not index.ndim):
        return value
    filled = input.new_zeros(index._array.shape)
    return filled + value


@public(in_place=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with src[i][j] added at [index[i][j]][j], for dim 0; repeats add up in order."""
    if src._array.dtype != input._array.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    key, values = _scattered(input, dim, index, src, "scatter_add")
    if key is None:
        return input.clone()
    flat = input if input.ndim else input.reshape(1)
    added = flat + shape.scatter(values, shape=flat._array.shape, key=key)
    return added.reshape(input._array.shape)


@public(in_place=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy with the slices of `source` added at the places that `index` names."""
    axis = dim_of(dim, input.ndim)
    at = _in_range(_indices(index, "index_add").reshape(-1), _size_of(input, axis), "index_add")
    flat = input if input.ndim else input.reshape(1)
    values = source if input.ndim and source.ndim else source.reshape(-1)
    key = (slice(None),) * axis + (at,)
    added = shape.scatter(
        values if alpha == 1 else values * alpha, shape=flat._array.shape, key=key
    )
    return (flat + added).reshape(input._array.shape)


def _size_of(input: Tensor, axis: int) -> int:
    return input._array.shape[axis] if input.ndim else 1


@public(in_place=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the slices of `source` at the places that `index` names."""
    axis = dim_of(dim, input.ndim)
    at = _in_range(_indices(index, "index_copy").reshape(-1), _size_of(input, axis), "index_copy")
    flat = input if input.ndim else input.reshape(1)
    values = source if input.ndim and source.ndim else source.reshape(-1)
    key = (slice(None),) * axis + (at,)
    return shape.replace(flat, values, key=key).reshape(input._array.shape)


@public(in_place=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy with one value in the slices that `index` names."""
    axis = dim_of(dim, input.ndim)
    at = _indices(index, "index_fill").reshape(-1)
    mask = np.zeros(
        max(_size_of(input, axis), 1) if not input.ndim else _size_of(input, axis), bool
    )
    mask[at] = True
    size = [-1 if dim == axis else 1 for dim in range(input.ndim)]
    return masked_fill(input, Tensor(mask.reshape(size) if input.ndim else mask.reshape(())), value)


@public(in_place=True)
def index_put(
    input: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy with input[indices] = values, or += if they accumulate."""
    key = tuple(slice(None) if each is None else _part(each) for each in indices)
    values = fitted(values, _picked(input, key))
    if accumulate:
        return input + shape.scatter(values, shape=input._array.shape, key=key)
    return shape.replace(input, values, key=key)


# By a mask


@public(in_place=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the mask holds."""
    if mask._array.dtype != bool:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype}"
        )
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s)."
            )
        value = value.to(input.dtype)
    elif input._array.dtype.kind != "f":
        value = input._array.dtype.type(value)
        value = Tensor(np.asarray(value))
    return where(mask, value, input)


@public()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in one dimension."""
    if mask._array.dtype != bool:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    size = np.broadcast_shapes(input._array.shape, mask._array.shape)
    wide = reductions.expand(input, shape=size)
    return shape.index(wide, key=np.broadcast_to(mask._array, size))


@public(in_place=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of `source`, in order, where the mask holds."""
    size = np.broadcast_shapes(input._array.shape, mask._array.shape)
    held = np.broadcast_to(mask._array, size)
    wide = input if input._array.shape == size else reductions.expand(input, shape=size)
    values = source.reshape(-1)[: int(held.sum())]
    return shape.replace(wide, values, key=held)


@public()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of nonzero elements: a row each, or a tensor for each dimension."""
    found = np.nonzero(np.atleast_1d(input._array))
    if as_tuple:
        return tuple(Tensor(np.asarray(each, np.int64)) for each in found)
    if not input.ndim:
        return Tensor(np.zeros((len(found[0]), 0), np.int64))
    return Tensor(np.stack(found, axis=1).astype(np.int64))


@public()
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened input."""
    at = _indices(index, "take")
    return shape.index(input.reshape(-1), key=at.reshape(-1)).reshape(at.shape)


@public()
def repeat_interleave(
    input: Tensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each slice of a dimension (or of the flattened input), so many times in a row."""
    source = input.reshape(-1) if dim is None else input
    axis = 0 if dim is None else dim_of(dim, source.ndim)
    times = repeats._array if isinstance(repeats, Tensor) else repeats
    at = np.repeat(np.arange(_size_of(source, axis)), times)
    return shape.index(source, key=(slice(None),) * axis + (at,))


# Diagonals and triangles


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


def _triangle(input: Tensor, keep: Any) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError("input tensor must have at least 2 dimensions")
    return where(Tensor(keep), input, 0)


@public(in_place=True)
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, zeros above."""
    if input.ndim < 2:
        raise RuntimeError("tril: input tensor must have at least 2 dimensions")
    return _triangle(input, np.tri(*input._array.shape[-2:], diagonal, dtype=bool))


@public(in_place=True)
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, zeros below."""
    if input.ndim < 2:
        raise RuntimeError("triu: input tensor must have at least 2 dimensions")
    return _triangle(input, ~np.tri(*input._array.shape[-2:], diagonal - 1, dtype=bool))


@public(method=False)
def tril_indices(row: int, col: int, offset: int = 0, **options: Any) -> Tensor:
    """The indices of a lower triangle, a row for each of the two dimensions."""
    return Tensor(np.stack(np.tril_indices(row, offset, col)).astype(np.int64))


@public(method=False)
def triu_indices(row: int, col: int, offset: int = 0, **options: Any) -> Tensor:
    """The indices of an upper triangle, a row for each of the two dimensions."""
    return Tensor(np.stack(np.triu_indices(row, offset, col)).astype(np.int64))


@public()
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with `src` as the slice at an index of a dimension."""
    key = (slice(None),) * dim_of(dim, input.ndim) + (index,)
    return shape.replace(input, src, key=key)


@public()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Tensor:
    """A copy with `src` in a slice of a dimension."""
    key = (slice(None),) * dim_of(dim, input.ndim) + (slice(start, end, step),)
    return shape.replace(input, src, key=key)
