# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Ops that move, repeat, pick or cast elements, and compute nothing. They keep NumPy's views."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.op import fused, op
from dtrain.autograd.ops.logic import nothing
from dtrain.autograd.value import Array


@op(view=True, label="View", x=lambda g, x_shape: reshape(g, shape=x_shape))
def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    """The same elements in C order in another shape."""
    return x.reshape(shape)


@op(view=True, x=lambda g, axes: permute(g, axes=tuple(int(axis) for axis in np.argsort(axes))))
def permute(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Axis i of the result is axis axes[i] of x."""
    return x.transpose(axes)


@op(label="ToCopy", x=lambda g: g)
def cast(x: Array, *, dtype: Any) -> Array:
    """x in another dtype, always a copy."""
    return x.astype(dtype)


@op(x=lambda g: g)
def alias(x: Array) -> Array:
    """x itself, as a value of its own in the graph."""
    return x


@op(x=lambda g: g)
def clone(x: Array) -> Array:
    """A copy, in C order."""
    return np.array(x, order="C")


@op(view=True, x=lambda g, x_shape, key: scatter(g, shape=x_shape, key=key))
def index(x: Array, *, key: Any) -> Any:
    """x[key], for any key that NumPy takes."""
    out = x[key]
    if isinstance(out, np.ndarray):
        return out
    return x[(*(key if isinstance(key, tuple) else (key,)), ...)]  # a view, also of one element


# PyTorch's names of what is one op here
unsqueeze = reshape.called("UnsqueezeBackward0")
transpose, t = permute.called("TransposeBackward0"), permute.called("TBackward0")
select, narrow = index.called("SelectBackward0"), index.called("SliceBackward0")
put_in, whole = index.called("UnsqueezeBackward0"), index.called("AliasBackward0")


@op(x=lambda g, key: index(g, key=key))
def scatter(x: Array, *, shape: tuple[int, ...], key: Any) -> Array:
    """Zeros of a shape, with x added at [key]: the adjoint of `index`. Repeats add up in order."""
    out = np.zeros(shape, x.dtype)
    if _picks(key):
        np.add.at(out, key, x)
    else:
        out[key] = x
    return out


def _picks(key: Any) -> bool:
    """Whether a key has arrays of integers in it, so that an element may be picked twice."""
    parts = key if isinstance(key, tuple) else (key,)
    arrays = [np.asarray(part) for part in parts if isinstance(part, np.ndarray | list)]
    return any(each.ndim and each.dtype != bool for each in arrays)


@op(
    x=lambda g, x_shape, indices, axis: put_along(g, indices=indices, size=x_shape[axis], axis=axis)
)
def take_along(x: Array, *, indices: Array, axis: int) -> Array:
    """out[.., i, ..] = x[.., indices[.., i, ..], ..] along one axis (PyTorch's `gather`)."""
    return np.take_along_axis(x, indices, axis)


@op(x=lambda g, indices, axis: take_along(g, indices=indices, axis=axis))
def put_along(x: Array, *, indices: Array, size: int, axis: int) -> Array:
    """Zeros with x added at `indices` along one axis: the adjoint of `take_along`."""
    shape = list(indices.shape)
    shape[axis] = size
    out = np.zeros(shape, x.dtype)
    key: list[Any] = list(np.indices(indices.shape, sparse=True))
    key[axis] = indices
    np.add.at(out, tuple(key), x)
    return out


@fused(formula=None)
def cat(*arrays: Array, dim: int = 0) -> tuple[Array, Any]:
    """Arrays joined along an axis that they have already; the other axes are equal."""
    ends = np.cumsum([array.shape[dim] for array in arrays]).tolist()
    axis = dim % arrays[0].ndim

    def backward(g: Any, needs: Sequence[bool]) -> list[Any]:
        starts = [0, *ends[:-1]]
        return [
            index(g, key=(slice(None),) * axis + (slice(start, end),)) if need else None
            for need, start, end in zip(needs, starts, ends, strict=True)
        ]

    return np.concatenate(arrays, axis=dim), backward


stack = cat.called("StackBackward0")


@op(
    x=lambda g, key: replace(g, 0.0, key=key),
    value=lambda g, key: index(g, key=key),
)
def replace(x: Array, value: Array, *, key: Any) -> Array:
    """A copy of x with `value` at [key]. An element that is picked twice gets the last one."""
    out = np.array(x, order="C")
    out[key] = value
    return out


@op(label="CopyBackwards", x=nothing, value=lambda g: g)
def overwrite(x: Array, value: Array) -> Array:
    """The second of two arrays of one shape: the first one was written over."""
    return np.array(value, dtype=x.dtype)


@op(
    view=True,
    x=lambda g, x_shape, offset, first, second: embed_diagonal(
        g, shape=x_shape, offset=offset, first=first, second=second
    ),
)
def diagonal(x: Array, *, offset: int, first: int, second: int) -> Array:
    """The diagonal of two axes, as the last axis; a view."""
    out = np.diagonal(x, offset, first, second)
    if x.flags.writeable:
        out.flags.writeable = True
    return out


@op(
    x=lambda g, offset, first, second: diagonal(g, offset=offset, first=first, second=second),
)
def embed_diagonal(
    x: Array, *, shape: tuple[int, ...], offset: int, first: int, second: int
) -> Array:
    """Zeros of a shape with x on the diagonal of two axes: the adjoint of `diagonal`."""
    out = np.zeros(shape, x.dtype)
    where = np.diagonal(out, offset, first, second)
    where.flags.writeable = True
    where[...] = x
    return out


@op(
    view=True,
    x=lambda g, x_shape, axis, size, step: unslide(
        g, shape=x_shape, axis=axis, size=size, step=step
    ),
)
def slide(x: Array, *, axis: int, size: int, step: int) -> Array:
    """Windows of a size along an axis, every `step` elements, as a last axis; a view."""
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis, writeable=True)
    return windows[(slice(None),) * axis + (slice(None, None, step),)]


@op(x=lambda g, axis, size, step: slide(g, axis=axis, size=size, step=step))
def unslide(x: Array, *, shape: tuple[int, ...], axis: int, size: int, step: int) -> Array:
    """Windows added up where they came from, in order: the adjoint of `slide`."""
    out = np.zeros(shape, x.dtype)
    lead = (slice(None),) * axis
    count = x.shape[axis]
    for at in range(size if count else 0):
        out[(*lead, slice(at, at + step * (count - 1) + 1, step))] += x[..., at]
    return out


@op(
    view=True,
    x=lambda g, x_shape, size, stride, offset: unstride(
        g, shape=x_shape, stride=stride, offset=offset
    ),
)
def strided(x: Array, *, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> Array:
    """Element (i, j, ...) is that at offset + i stride[0] + j stride[1] + ... in x, counted in C
    order; a view of an x that lies in that order."""
    strides = [step * x.itemsize for step in stride]
    flat = np.ascontiguousarray(x).reshape(-1)  # a gradient may be one element, repeated
    return np.lib.stride_tricks.as_strided(flat[offset:], size, strides)


@op(x=lambda g, x_shape, stride, offset: strided(g, size=x_shape, stride=stride, offset=offset))
def unstride(x: Array, *, shape: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Array:
    """Zeros of a shape, with x added where `strided` reads: its adjoint."""
    out = np.zeros(shape, x.dtype)
    grid = np.indices(x.shape, sparse=True)
    at: Any = offset
    for axis, step in enumerate(stride):
        at = at + grid[axis] * step
    np.add.at(out.reshape(-1), np.broadcast_to(at, x.shape), x)
    return out
