"""Normal numbers within bounds, as PyTorch draws them."""

import math

import numpy as np

from dtrain.autograd.tensor import wrap
from dtrain.autograd.value import Array
from dtrain.random import fills
from dtrain.random.generator import Generator

__all__ = ["truncated_normals"]


def truncated_normals(
    like: Array, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Array:
    """Normal numbers of which those outside [a, b] are drawn again, for an array's sizes.

    By drawing all again for those outside, as long as there are any, or, where the bounds leave
    less than 30 %, by rejection sampling from uniform ones.
    """
    inside = _cdf((b - mean) / std) - _cdf((a - mean) / std)
    draw = _until_inside if inside > 0.3 else _until_accepted
    return draw(like, mean, std, a, b, generator)


def _until_inside(
    like: Array, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Array:
    low, high = like.dtype.type(a), like.dtype.type(b)
    values = _normals(like, mean, std, generator)
    while (outside := (values < low) | (values > high)).any():
        values = np.where(outside, _normals(like, mean, std, generator), values)
    return values


def _until_accepted(
    like: Array, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Array:
    """A number x is accepted with probability density(x) / greatest density."""
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2

    def rejected(values: Array) -> Array:
        log_density = ((values - mean) / std) ** 2 * -0.5 - peak
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(_uniforms(like, 0.0, 1.0, generator)) > log_density)

    values = _uniforms(like, a, b, generator)
    pending = rejected(values)
    while pending.any():
        again = _uniforms(like, a, b, generator)
        values = np.where(pending, again, values)
        pending &= rejected(again)
    return values


def _normals(like: Array, mean: float, std: float, generator: Generator | None) -> Array:
    return fills.normal_(wrap(np.empty_like(like)), mean, std, generator=generator)._array


def _uniforms(like: Array, low: float, high: float, generator: Generator | None) -> Array:
    return fills.uniform_(wrap(np.empty_like(like)), low, high, generator=generator)._array


def _cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0
