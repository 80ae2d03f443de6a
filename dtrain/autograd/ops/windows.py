"""Windows that slide over an array: where they lie, and how they are laid out as columns.

A convolution is a product of matrices once every window of its input stands in a column. Columns
are many times as large as the input, so they are made for one tile of the output at a time, small
enough to stay in the cache; tiles depend on shapes alone, and so do the bits of a result.
"""

from math import ceil, prod
from typing import NamedTuple, TypeAlias

import numpy as np

from dtrain.autograd.value import Array

TILE = 1 << 18  # elements in the columns of a tile: 1 MB of float32
TILE_PLACES = 384  # BLAS is slow for fewer columns than this


class Axis(NamedTuple):
    """Windows along one axis: number o has x[o * stride + k * dilation - before] for k < kernel.

    Where that is not in x it is 0.
    """

    size: int  # of x
    out: int  # number of windows
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0

    @property
    def reach(self) -> int:
        """From the first element of the first window to the last of the last."""
        return (self.out - 1) * self.stride + (self.kernel - 1) * self.dilation + 1


Axes: TypeAlias = tuple[Axis, ...]


class Tile(NamedTuple):
    """A part of the output: some images whole, or some rows of one."""

    images: slice
    rows: slice  # along the first axis of the windows

    @property
    def extent(self) -> tuple[int, int]:
        """How many images, and how many rows of each."""
        return self.images.stop - self.images.start, self.rows.stop - self.rows.start


def tiles(images: int, outs: tuple[int, ...], depth: int) -> list[Tile]:
    """Cut an output into tiles of about equal size, for columns of `depth` elements."""
    places = prod(outs)
    most = max(TILE // max(depth, 1), TILE_PLACES)
    if places <= most:
        return [Tile(each, slice(0, outs[0])) for each in _cut(images, images * places / most)]
    rows = _cut(outs[0], places / most)
    return [Tile(slice(image, image + 1), each) for image in range(images) for each in rows]


def _cut(count: int, parts: float) -> list[slice]:
    """`count` in about so many slices, the last one not longer than the others."""
    step = max(1, ceil(count / max(1, ceil(parts))))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


class Columns:
    """Lays the windows of x out as columns, tile by tile, in one piece of memory.

    Shapes:  x (n, c, *sizes);  a tile (b, groups, depth, places), or (groups, depth, b, places) if
             `together`, where depth is c / groups times the size of the kernel, plus a row of ones
             if `ones`.
    """

    def __init__(
        self, x: Array, axes: Axes, groups: int, together: bool = False, ones: bool = False
    ) -> None:
        self._x, self._axes, self._groups = x, axes, groups
        self._together, self._ones = together, ones
        self._order = _together(len(axes)) if together else tuple(range(3 + 2 * len(axes)))
        self.depth = x.shape[1] // groups * prod(axis.kernel for axis in axes) + ones
        self.outs = tuple(axis.out for axis in axes)
        self.tiles = tiles(len(x), self.outs, self.depth)
        most = max((prod(tile.extent) for tile in self.tiles), default=0)
        self._room = np.empty(groups * self.depth * most * prod(self.outs[1:]), x.dtype)
        self._inside = all(a.before <= 0 and a.reach - a.before <= a.size for a in axes)
        self._loaded = slice(0, 0)
        if self._inside:
            starts = zip(axes, x.strides[2:], strict=True)
            self._windows = self._view(x, -sum(axis.before * step for axis, step in starts))
        elif self.tiles:
            reaches = (axis.reach for axis in axes)
            self._padded = np.zeros((self.tiles[0].extent[0], x.shape[1], *reaches), x.dtype)
            self._windows = self._view(self._padded, 0)

    def __call__(self, tile: Tile) -> Array:
        """The columns of a tile; the next call writes over them."""
        batch, rows = tile.extent
        places = rows * prod(self.outs[1:])
        images = tile.images if self._inside else self._load(tile.images)
        source = self._windows[images]
        if rows != self.outs[0]:
            ahead = (slice(None),) * (3 + len(self._axes))
            source = source[(*ahead, tile.rows)]
        source = source.transpose(self._order)
        col = self._room[: batch * self._groups * self.depth * places]
        if self._together:
            col = col.reshape(self._groups, self.depth, batch * places)
        else:
            col = col.reshape(batch * self._groups, self.depth, places)
        inner = col
        if self._ones:
            col[:, -1] = 1
            inner = col[:, :-1]
        copy_rows(inner.reshape(source.shape), source)
        lead = (self._groups, self.depth, batch) if self._together else (batch, self._groups, -1)
        return col.reshape(*lead, places)

    def _view(self, x: Array, offset: int) -> Array:
        """All windows: (n, groups, c / groups, *kernels, *outs)."""
        batch, channels, *steps = x.strides
        own = x.shape[1] // self._groups
        kernels = tuple(axis.kernel for axis in self._axes)
        strides = (
            *(batch, own * channels, channels),
            *(axis.dilation * step for axis, step in zip(self._axes, steps, strict=True)),
            *(axis.stride * step for axis, step in zip(self._axes, steps, strict=True)),
        )
        shape = (len(x), self._groups, own, *kernels, *self.outs)
        if not x.size:
            return np.zeros(shape, x.dtype)
        return np.ndarray(shape, x.dtype, x, offset, strides)

    def _load(self, images: slice) -> slice:
        """Copy images between the zeros around them; where they are then."""
        here = slice(0, images.stop - images.start)
        if images != self._loaded:
            into: list[slice] = [here, slice(None)]
            source: list[slice] = [images, slice(None)]
            for axis in self._axes:
                low = max(0, -axis.before)
                high = max(low, min(axis.size, axis.reach - axis.before))
                source.append(slice(low, high))
                into.append(slice(low + axis.before, high + axis.before))
            copy_rows(self._padded[tuple(into)], self._x[tuple(source)])
            self._loaded = images
        return here


def _together(ndim: int) -> tuple[int, ...]:
    """(b, g, c, *kernels, *outs) to (g, c, *kernels, b, *outs)."""
    return (*range(1, 3 + ndim), 0, *range(3 + ndim, 3 + 2 * ndim))


def landing(axis: Axis, tap: int, outs: slice) -> tuple[slice, slice]:
    """Where in x a tap of some windows lies, and of which of them that is in x."""
    shift = tap * axis.dilation - axis.before
    low = max(outs.start, -(shift // axis.stride))
    high = min(outs.stop, (axis.size - 1 - shift) // axis.stride + 1)
    high = max(low, high)
    start = low * axis.stride + shift
    return (
        slice(start, start + (high - low) * axis.stride, axis.stride),
        slice(low - outs.start, high - outs.start),
    )


def copy_rows(into: Array, source: Array) -> None:
    """into[...] = source. Rows without gaps are moved as one item each: for short ones, NumPy takes
    a third of the time that it needs to go through their elements."""
    if into.size and into.strides[-1] == source.strides[-1] == into.itemsize:
        row = np.dtype((np.void, into.shape[-1] * into.itemsize))
        into, source = into.view(row), source.view(row)
    np.copyto(into, source)
