# mypy: disable-error-code="no-any-return"
"""Indexing with square brackets, assigning to it, and writing into a tensor.

PyTorch applies integers, slices, None and `...` first, which gives a view, and then the tensors,
lists and bools, to the dimensions that are left. NumPy takes an integer beside a list for an index
like the list, and orders the result's dimensions by that; so a key of both kinds is taken apart.
"""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.functions.registry import public
from dtrain.autograd.inference import require_changeable
from dtrain.autograd.inplace import assign, in_place, shadow, write
from dtrain.autograd.modes import MODE
from dtrain.autograd.op import Op
from dtrain.autograd.ops import promotion, shape
from dtrain.autograd.ops import reduce as reductions
from dtrain.autograd.tensor import Tensor

__all__ = ["fill", "index_put"]


def key_of(key: Any) -> Any:
    """An index in NumPy's terms: integers, slices, None, `...`, arrays of integers or bools.

    Raises IndexError, TypeError or ValueError for what PyTorch refuses.
    """
    if isinstance(key, list) and _is_tuple(key):
        key = tuple(key)
    if isinstance(key, tuple):
        return tuple(part_of(part) for part in key)
    return part_of(key)


def _is_tuple(key: list[Any]) -> bool:
    """Whether PyTorch takes a list for a tuple: if there are sequences or slices in it."""
    kinds = (Tensor, Sequence, np.ndarray, slice, type(None), type(Ellipsis))
    return len(key) < 32 and any(isinstance(part, kinds) for part in key)


def part_of(part: Any) -> Any:
    """One part of an index in NumPy's terms."""
    if isinstance(part, bool):
        return np.asarray(part)
    if isinstance(part, Tensor):
        return _of_tensor(part._array)
    if isinstance(part, slice):
        if part.step is not None and operator.index(part.step) <= 0:
            raise ValueError("step must be greater than zero")
        ends = (part.start, part.stop, part.step)
        return slice(*(None if each is None else operator.index(each) for each in ends))
    if isinstance(part, list | tuple | range):
        listed = np.asarray([_number(each) for each in part])
        return listed.astype(np.int64) if not listed.size else listed
    if isinstance(part, float):
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {type(part).__name__})"
        )
    if isinstance(part, str):
        raise TypeError("new(): invalid data type 'str'")
    return operator.index(part) if isinstance(part, np.integer) else part


def _of_tensor(array: Any) -> Any:
    if array.dtype.kind == "f":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if array.dtype == np.uint8:
        return array.astype(bool)
    return array if array.ndim or array.dtype == bool else int(array)


def _number(value: Any) -> Any:
    found = part_of(value)
    return bool(found) if isinstance(found, np.ndarray) and not found.ndim else found


def _stages(key: Any, ndim: int) -> list[Any]:
    """A key as one or two: what gives a view, then what picks."""
    parts = key if isinstance(key, tuple) else (key,)
    picks = [part for part in parts if isinstance(part, np.ndarray)]
    mixed = picks and any(isinstance(part, int) for part in parts)
    used = sum(_reach(part) for part in parts)
    if not (mixed or any(not part.ndim for part in picks)) or used > ndim:
        return [key]
    first: list[Any] = []
    then: list[Any] = []
    for part in parts:
        if isinstance(part, np.ndarray) and not part.ndim:  # a bool: a dimension of size 1 or 0
            first.append(None)
            then.append(np.zeros(int(part), np.int64))
        elif isinstance(part, np.ndarray):
            first += [slice(None)] * _reach(part)
            then.append(part)
        else:
            first.append(part)
            left = ndim - used if part is Ellipsis else int(not isinstance(part, int))
            then += [slice(None)] * left
    return [tuple(first), tuple(then)]


def _reach(part: Any) -> int:
    """How many dimensions a part of a key is about."""
    if isinstance(part, np.ndarray):
        return part.ndim if part.dtype == bool else 1
    return int(isinstance(part, int | slice))


_VIEWS = {int: shape.select, slice: shape.narrow, type(None): shape.put_in}
_ALL = slice(None)


def _last_of(key: Any) -> Op:
    """`index`, under PyTorch's name of the last step that it takes such a key apart into."""
    parts = key if isinstance(key, tuple) else (key,)
    last: Op = shape.whole
    for part in parts:
        if isinstance(part, np.ndarray):
            return shape.index
        if part is not Ellipsis and not (isinstance(part, slice) and part == _ALL):
            last = _VIEWS.get(type(part), shape.index)
    return last


def picked(input: Tensor, key: Any) -> Tensor:
    """input[key], for a key in NumPy's terms."""
    try:
        if isinstance(key, int | slice):
            return _VIEWS[type(key)](input, key=key)
        for each in _stages(key, input.ndim):
            input = _last_of(each)(input, key=each)
    except IndexError as error:
        parts = key if isinstance(key, tuple) else (key,)
        used = sum(each is not None and each is not Ellipsis for each in parts)
        if used > input.ndim:
            what = "a 0-dim tensor" if not input.ndim else f"tensor of dimension {input.ndim}"
            raise IndexError(f"too many indices for {what}") from None
        text = str(error).replace("out of bounds for axis", "out of bounds for dimension")
        raise IndexError(f"{text} (a tensor of shape {list(input._array.shape)})") from None
    return input


@public(function=False, name="__getitem__")
def pick(input: Tensor, key: Any) -> Tensor:
    """input[key]: a view for integers, slices, None and `...`; else a copy."""
    return picked(input, key_of(key))


@public(function=False, name="__setitem__")
def set_at(input: Tensor, key: Any, value: Any) -> None:
    """input[key] = value."""
    *before, at = _stages(key_of(key), input.ndim)
    for each in before:
        input = picked(input, each)
    found = picked(input, at)
    if found._view is not None or not found._array.size:
        copy_(found, fitted(value, found))
        return
    value = fitted(value, found)
    if MODE.enabled and (input.requires_grad or value.requires_grad):
        assign(input, shape.replace(shadow(input), value, key=at))
    else:
        require_changeable(input)
        input._array[at] = value._array
        input._bump()


def fitted(value: Any, target: Tensor) -> Tensor:
    """A number or Tensor, broadcast to the shape of a target, in its dtype."""
    if not isinstance(value, Tensor):
        if isinstance(value, int | float):
            value = promotion.converted(value, target._array.dtype)
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
    require_changeable(input)
    write(input._array, fitted(src, input)._array)
    input._bump()
    return input


def _require_scalar(value: Any) -> None:
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"fill only supports 0-dimension value tensor but got tensor with {value.ndim} "
            "dimensions."
        )


@public(method=False)
def fill(input: Tensor, value: Any) -> Tensor:
    """A copy with one value everywhere."""
    _require_scalar(value)
    return _copied(input, value)


@public(function=False)
def fill_(input: Tensor, value: Any) -> Tensor:
    """Write one value everywhere."""
    _require_scalar(value)
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
    key = tuple(slice(None) if each is None else part_of(each) for each in indices)
    key = tuple(np.asarray(each) if isinstance(each, int) else each for each in key)
    if values._array.dtype != input._array.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{input.dtype} for the destination and {values.dtype} for the source."
        )
    values = fitted(values, picked_once(input, key))
    if accumulate:
        return input + shape.scatter(values, shape=input._array.shape, key=key)
    return shape.replace(input, values, key=key)


def picked_once(input: Tensor, key: Any) -> Tensor:
    """input[key] by NumPy's rules: there are no integers in the key."""
    return shape.index(input, key=key)
