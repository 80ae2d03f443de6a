"""In which order PyTorch visits the elements of a tensor that it fills: as they lie in memory.

Where memory and index order are one (a contiguous tensor) there is nothing to choose. Of a permuted
or sliced tensor the dimension with the shortest stride is visited innermost.

Source: PyTorch, ATen/TensorIterator.cpp: reorder_dimensions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd.value import Array

Draw = Callable[[tuple[int, ...]], Array]  # a shape to an array of that shape


def is_plain(array: Array) -> bool:
    """Whether memory order and index order are the same in an array of this kind."""
    order = [axis for axis in axes(array) if array.shape[axis] != 1]
    return order == sorted(order)


def as_visited(array: Array) -> Array:
    """A view with the dimensions permuted, so that its C order is the order of visits."""
    return array.transpose(axes(array))


def empty_like(array: Array, dtype: Any = None) -> Array:
    """An uninitialised array of the same shape, its dimensions lying in memory as in `array`."""
    kind = array.dtype if dtype is None else dtype
    outermost_first = axes(array)
    shape = [array.shape[axis] for axis in outermost_first]
    return np.empty(shape, kind).transpose(np.argsort(outermost_first))


def fill(array: Array, draw: Draw) -> None:
    """Write draws into an array, in the order of visits."""
    visited = as_visited(array)
    visited[...] = draw(visited.shape)


def like(array: Array, draw: Draw, dtype: Any = None) -> Array:
    """Draws in a new array that lies in memory as `array` does, as `zeros_like(x).draw_()` has."""
    if is_plain(array):
        return draw(array.shape)
    made = empty_like(array, dtype)
    fill(made, draw)
    return made


def axes(array: Array) -> list[int]:
    """The dimensions by falling stride.

    An insertion sort, because the comparison is not transitive: a dimension of stride 0 has no
    place of its own.
    """
    if array.flags.c_contiguous:
        return list(range(array.ndim))
    inner_first = list(range(array.ndim))[::-1]
    for start in range(1, array.ndim):
        at = start
        for before in range(start - 1, -1, -1):
            comparison = _compare(array, inner_first[before], inner_first[at])
            if comparison < 0:
                break
            if comparison > 0:
                inner_first[before], inner_first[at] = inner_first[at], inner_first[before]
                at = before
    return inner_first[::-1]


def _compare(array: Array, inner: int, outer: int) -> int:
    """Above 0 where the two have to change places, below 0 where they are in order."""
    strides, shape = array.strides, array.shape
    if strides[inner] == 0 or strides[outer] == 0:
        return 0
    if strides[inner] != strides[outer]:
        return -1 if strides[inner] < strides[outer] else 1
    return 1 if shape[inner] > shape[outer] else 0
