# mypy: disable-error-code="no-any-return"
"""Picking elements, and assigning to them."""

from typing import Any

import numpy as np

from dtrain.autograd.functions.registry import public
from dtrain.autograd.inplace import assign, in_place, shadow
from dtrain.autograd.modes import MODE
from dtrain.autograd.ops import reduce, shape
from dtrain.autograd.tensor import Tensor

__all__: list[str] = []


def key_of(key: Any) -> Any:
    """An index as NumPy takes it."""
    if isinstance(key, tuple):
        return tuple(key_of(part) for part in key)
    return key._array if isinstance(key, Tensor) else key


@public(function=False, name="__getitem__")
def pick(input: Tensor, key: Any) -> Tensor:
    """input[key]: a view for integers, slices, None and `...`; else a copy."""
    return shape.index(input, key=key_of(key))


@public(function=False, name="__setitem__")
def put(input: Tensor, key: Any, value: Any) -> None:
    """input[key] = value."""
    found = pick(input, key)
    if found._view is not None:
        copy_(found, value)
        return
    value = fitted(value, found)
    if MODE.enabled and (input.requires_grad or value.requires_grad):
        before = shadow(input)
        assign(input, shape.replace(before, value, key=key_of(key)))
    else:
        input._array[key_of(key)] = value._array
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
        return reduce.expand(value, shape=target._array.shape)
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
    np.copyto(input._array, fitted(src, input)._array)
    input._bump()
    return input


@public(function=False)
def fill_(input: Tensor, value: Any) -> Tensor:
    """Write one value everywhere."""
    return copy_(input, value)


@public(function=False)
def zero_(input: Tensor) -> Tensor:
    """Write zeros everywhere."""
    return copy_(input, 0)
