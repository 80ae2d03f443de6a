# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Convolutions over any number of axes.

    S(x, w, y) = sum_{n,o,p} y[n,o,p] sum_{c,k} w[o,c,k] x[n, c, p * stride + k * dilation - before]

is linear in each of x, w and y. Its derivative for y is the convolution of x with w; that for x is
the transposed convolution of y with w; that for w is what the weights' gradient is made of. They
are the three ops here, over one geometry, and the rules of each are the other two.
"""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from dtrain.autograd.op import op
from dtrain.autograd.ops.linalg import plain
from dtrain.autograd.ops.reduce import sum_
from dtrain.autograd.ops.windows import Axes, Axis, Columns, Tile, landing
from dtrain.autograd.value import Array


class Geometry(NamedTuple):
    """How x, w and y of a convolution lie to each other."""

    axes: Axes
    groups: int = 1


def _ready(values: list[Any]) -> list[Any]:
    return [value if value is None else plain(value) for value in values]


@op(
    prepare=_ready,
    x=lambda g, weight, geometry: convolution_input(g, weight, geometry=geometry),
    weight=lambda g, x, geometry: convolution_weight(g, x, geometry=geometry),
    bias=lambda g: sum_(g, axis=(0, *range(2, g.ndim))),
)
def convolution(x: Array, weight: Array, bias: Array | None, *, geometry: Geometry) -> Array:
    """Cross-correlation of x with weight, plus bias.

    Shapes:  x (n, c, *sizes);  weight (o, c / groups, *kernels);  bias (o) or None;
             result (n, o, *outs).
    """
    return _correlate(x, weight, bias, geometry)


@op(
    prepare=_ready,
    y=lambda g, weight, geometry: convolution(g, weight, None, geometry=geometry),
    weight=lambda g, y, geometry: convolution_weight(y, g, geometry=geometry),
)
def convolution_input(y: Array, weight: Array, *, geometry: Geometry) -> Array:
    """The adjoint of a convolution for its input: a transposed convolution.

    Shapes:  y (n, o, *outs);  weight (o, c / groups, *kernels);  result (n, c, *sizes).
    """
    (first, *rest), groups = geometry
    spread = _turn(weight, groups)
    if all(map(_is_pointwise, geometry.axes)):
        return _mix(y, spread.reshape(groups, -1, weight.shape[0] // groups))
    out = _room(y, weight.shape[1] * groups, (axis.size for axis in geometry.axes))
    for phases in product(*(list(_phases(axis)) for axis in rest)):
        taps: Any = (..., *(phase.taps for phase in phases))
        part = spread[taps]
        matrix = plain(part).reshape(groups, -1, prod(part.shape[3:]))
        axes = (Axis(first.out, first.out, 1), *(phase.axis for phase in phases))
        places = tuple(phase.places for phase in phases)
        for tile, block in _products(matrix, y, axes, groups, first.kernel):
            for tap in range(first.kernel):
                into, source = landing(first, tap, tile.rows)
                out[(tile.images, slice(None), into, *places)] += block[:, :, tap, source]
    return out


def _products(
    matrix: Array, y: Array, axes: Axes, groups: int, kernel: int
) -> Iterator[tuple[Tile, Array]]:
    """For each tile of y, what it sends to x: (b, c, kernel, rows, *places)."""
    if not y.size:
        return
    together = _is_steep(matrix.shape[2], prod(axis.out for axis in axes))
    columns = Columns(y, axes, groups, together)
    for tile in columns.tiles:
        batch, rows = tile.extent
        col = columns(tile)
        if together:
            block = np.matmul(matrix, col.reshape(groups, columns.depth, -1))
            block = block.reshape(-1, kernel, batch, rows, *columns.outs[1:])
            yield tile, block.transpose(2, 0, 1, *range(3, block.ndim))
        else:
            block = np.matmul(matrix, col)
            yield tile, block.reshape(batch, -1, kernel, rows, *columns.outs[1:])


@op(
    prepare=_ready,
    y=lambda g, x, geometry: convolution(x, g, None, geometry=geometry),
    x=lambda g, y, geometry: convolution_input(y, g, geometry=geometry),
)
def convolution_weight(y: Array, x: Array, *, geometry: Geometry) -> Array:
    """The adjoint of a convolution for its weight.

    Shapes:  y (n, o, *outs);  x (n, c, *sizes);  result (o, c / groups, *kernels).
    """
    axes, groups = geometry
    columns = Columns(x, axes, groups, together=True)
    total = np.zeros((groups, y.shape[1] // groups, columns.depth), x.dtype)
    part = np.empty_like(total)
    for at, tile in enumerate(columns.tiles if y.size else ()):
        col = columns(tile).reshape(groups, columns.depth, -1)
        np.matmul(_rows(y, groups, tile), col.mT, out=part if at else total)
        if at:
            total += part
    return total.reshape(y.shape[1], x.shape[1] // groups, *(axis.kernel for axis in axes))


def _rows(y: Array, groups: int, tile: Tile) -> Array:
    """A tile of y as (groups, o / groups, b * places)."""
    part = (
        y[tile.images]
        if tile.rows.stop - tile.rows.start == y.shape[2]
        else y[tile.images, :, tile.rows]
    )
    split = part.reshape(len(part), groups, y.shape[1] // groups, -1)
    return split.transpose(1, 2, 0, 3).reshape(groups, split.shape[2], -1)


def _correlate(x: Array, weight: Array, bias: Array | None, geometry: Geometry) -> Array:
    axes, groups = geometry
    places = prod(axis.out for axis in axes)
    if not len(x) * places:
        return _room(x, len(weight), (axis.out for axis in axes))
    matrix = weight.reshape(groups, len(weight) // groups, prod(weight.shape[1:]))
    depth = matrix.shape[2]
    together = _is_steep(depth, places)
    if not together and all(map(_is_pointwise, axes)):
        out = _mix(x, matrix)
        return out if bias is None else _add_bias(out, bias)
    out = _room(x, len(weight), (axis.out for axis in axes))
    flat = out.reshape(len(x), groups, -1, places)
    if bias is not None:  # the columns end in a 1, which saves one way through the output
        matrix = np.concatenate([matrix, bias.reshape(groups, -1, 1)], axis=2)
    columns = Columns(x, axes, groups, together, ones=bias is not None)
    row = places // axes[0].out
    for tile in columns.tiles:
        col = columns(tile)
        into = flat[tile.images, :, :, tile.rows.start * row : tile.rows.stop * row]
        if together:
            block = np.matmul(matrix, col.reshape(*col.shape[:2], -1))
            into[...] = block.reshape(*block.shape[:2], *col.shape[2:]).transpose(2, 0, 1, 3)
        else:
            np.matmul(matrix, col, out=into)
    return out


def _is_pointwise(axis: Axis) -> bool:
    return axis == Axis(axis.size, axis.size, 1)


def _is_steep(depth: int, places: int) -> bool:
    """Small images under large weights: worth one product for many images, and a copy after it."""
    return depth > 2 * places


def _mix(x: Array, matrix: Array) -> Array:
    """Each pixel's channels times a matrix (groups, o / groups, c / groups)."""
    split = x.reshape(len(x), len(matrix), matrix.shape[2], prod(x.shape[2:]))
    channels = matrix.shape[0] * matrix.shape[1]
    out: Array = np.matmul(matrix, split)
    return out.reshape(len(x), channels, *x.shape[2:])


def _add_bias(out: Array, bias: Array) -> Array:
    out += bias.reshape(-1, *(1,) * (out.ndim - 2))
    return out


def _room(like: Array, channels: int, sizes: Iterator[int]) -> Array:
    return np.zeros((len(like), channels, *sizes), like.dtype)


def _turn(weight: Array, groups: int) -> Array:
    """(o, c / groups, k, *kernels) to (groups, c / groups, k, o / groups, *kernels)."""
    split = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
    return split.transpose(0, 2, 3, 1, *range(4, split.ndim))


class _Phase(NamedTuple):
    """The elements of x at one distance from the grid of a stride: a convolution of y without
    stride, by every so many-th tap of the kernel, last tap first."""

    axis: Axis
    taps: slice
    places: slice


def _phases(axis: Axis) -> Iterator[_Phase]:
    """All elements of an axis of x that y reaches, phase by phase."""
    size, out, kernel, stride, dilation, before = axis
    for start in range(min(stride, size)):
        at = start + before
        taps = [k for k in range(kernel) if (k * dilation - at) % stride == 0]
        if taps:
            step = taps[1] - taps[0] if len(taps) > 1 else 1
            yield _Phase(
                Axis(
                    size=out,
                    out=len(range(start, size, stride)),
                    kernel=len(taps),
                    dilation=max(1, step * dilation // stride),
                    before=(taps[-1] * dilation - at) // stride,
                ),
                slice(taps[-1], taps[0] - 1 if taps[0] else None, -step),
                slice(start, None, stride),
            )
