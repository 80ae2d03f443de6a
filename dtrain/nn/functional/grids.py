"""The tables of interpolation: which inputs make up an output along one axis, by what weights.

Coordinates are computed in the dtype of the input, as PyTorch does, for equal neighbours and, to a
rounding, equal weights.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from dtrain.autograd.ops.resample import Table, Tap, gather
from dtrain.autograd.value import Array


@lru_cache(maxsize=256)
def nearest(size: int, out: int, scale: float | None, exact: bool) -> Table:
    """Output o is input o * size / out, rounded down; `exact` goes by the centre of o instead."""
    step = _step(size, out, scale, np.float32)
    places = np.floor((np.arange(out, dtype=np.float32) + np.float32(0.5 * exact)) * step)
    if out == size:
        places = np.arange(size)
    return gather(np.minimum(places.astype(np.int64), size - 1)[None], size)


@lru_cache(maxsize=256)
def linear(size: int, out: int, scale: float | None, corners: bool, dtype: Any) -> Table:
    """Output o lies between two inputs, which share it by their nearness."""
    if out == size:
        return gather(np.arange(size)[None], size)
    at = np.maximum(_places(size, out, scale, corners, dtype), dtype(0))
    low = np.minimum(at.astype(np.int64), size - 1)
    share = np.clip(at - low.astype(dtype), dtype(0), dtype(1))
    high = np.minimum(low + 1, size - 1)
    return gather(np.stack([low, high]), size, np.stack([dtype(1) - share, share]))


@lru_cache(maxsize=256)
def cubic(size: int, out: int, scale: float | None, corners: bool, dtype: Any) -> Table:
    """Four neighbours, by cubic convolution; beyond the edge, the outermost one again.

    Source: Keys 1981, with a = -0.75.
    """
    if out == size:
        return gather(np.arange(size)[None], size)
    at = _places(size, out, scale, corners, dtype)
    low = np.minimum(np.floor(at), dtype(size - 1))
    share = np.clip(at - low, dtype(0), dtype(1))
    inputs = [np.clip(low.astype(np.int64) + shift, 0, size - 1) for shift in (-1, 0, 1, 2)]
    distances = (share + dtype(1), share, dtype(1) - share, dtype(2) - share)
    weights = [_cubic(distance, -0.75).astype(dtype) for distance in distances]
    return gather(np.stack(inputs), size, np.stack(weights))


def _step(size: int, out: int, scale: float | None, dtype: Any) -> Any:
    return dtype(1.0 / scale) if scale else dtype(size) / dtype(max(out, 1))


def _places(size: int, out: int, scale: float | None, corners: bool, dtype: Any) -> Array:
    """Where the outputs lie among the inputs."""
    at = np.arange(out, dtype=dtype)
    if corners:
        places: Array = at * (dtype(size - 1) / dtype(out - 1) if out > 1 else dtype(0))
        return places
    centred: Array = _step(size, out, scale, dtype) * (at + dtype(0.5)) - dtype(0.5)
    return centred


def _cubic(x: Array, a: float) -> Array:
    """The kernel of cubic convolution at a distance x >= 0."""
    near: Any = ((a + 2) * x - (a + 3)) * x * x + 1
    far: Any = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    weight: Array = np.where(x <= 1, near, np.where(x < 2, far, 0))
    return weight


def _triangle(x: Array) -> Array:
    weight: Array = np.maximum(1 - x, 0)
    return weight


def _lanczos(x: Array) -> Array:
    weight: Array = np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)
    return weight


FILTERS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (lambda x: _cubic(x, -0.5), 2.0),
    "lanczos": (_lanczos, 3.0),
}


@lru_cache(maxsize=256)
def smooth(mode: str, size: int, out: int, scale: float | None, corners: bool, dtype: Any) -> Table:
    """Antialiasing: a filter (with its reach) that widens as the output shrinks, normalised."""
    filter_, reach = FILTERS[mode]
    if corners:
        step = dtype(size - 1) / dtype(out - 1) if out > 1 else dtype(0)
    else:
        step = _step(size, out, scale, dtype)
    wide = max(step, dtype(1))
    centre = step * (np.arange(out, dtype=dtype) + dtype(0.5))
    low = np.maximum((centre - dtype(reach) * wide + dtype(0.5)).astype(np.int64), 0)
    high = np.minimum((centre + dtype(reach) * wide + dtype(0.5)).astype(np.int64), size)
    inputs = low + np.arange(int((high - low).max(initial=0)))[:, None]
    distance = np.abs((inputs - centre + dtype(0.5)) / wide).astype(dtype)
    weights = np.where(inputs < high, filter_(distance), 0).astype(dtype)
    weights /= weights.sum(axis=0)
    taps = []
    for row, weight in zip(inputs, weights, strict=True):
        valid = np.flatnonzero(row < high)
        taps.append(Tap(valid, row[valid], weight[valid]))
    return Table(size, out, tuple(taps))
