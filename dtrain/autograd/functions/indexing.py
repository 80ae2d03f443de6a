# mypy: disable-error-code="no-any-return"
"""Indexing with square brackets, assigning to it, and writing into a tensor."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.functions.registry import public
from dtrain.autograd.inplace import assign, in_place, shadow, write
from dtrain.autograd.modes import MODE
from dtrain.autograd.ops import reduce as reductions
from dtrain.autograd.ops import shape
from dtrain.autograd.tensor import Tensor

__all__ = [
    "index_put",
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
