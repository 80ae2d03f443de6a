"""Poisson numbers, one after the other: how much a draw takes from the stream depends on its luck.

Source: below a rate of 10 Knuth 1969 (products of uniforms); from 10 on Hoermann 1993, transformed
rejection (PTRS); as PyTorch has them in ATen/native/Distributions.cpp.
"""

import math
from collections.abc import Iterator

import numpy as np

from dtrain.autograd.value import Array
from dtrain.random.generator import Generator


def poisson(generator: Generator, rates: Array) -> Array:
    """A Poisson number for each rate, in the dtype of the rates.

    Raises RuntimeError for a negative rate, NotImplementedError for integers.
    """
    if rates.dtype.kind != "f":
        raise NotImplementedError(f"there are no Poisson numbers in {rates.dtype}")
    if not (rates >= 0).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    uniforms = _uniforms(generator)
    drawn = [_one(rate, uniforms) for rate in rates.ravel().tolist()]
    return np.array(drawn, rates.dtype).reshape(rates.shape)


def _uniforms(generator: Generator) -> Iterator[float]:
    while True:
        yield float(generator.units(1)[0])


def _one(rate: float, uniforms: Iterator[float]) -> int:
    if rate == 0:
        return 0
    return _rejected(rate, uniforms) if rate >= 10 else _multiplied(rate, uniforms)


def _multiplied(rate: float, uniforms: Iterator[float]) -> int:
    """How many uniforms can be multiplied before the product falls to exp(-rate)."""
    bound, product, count = math.exp(-rate), 1.0, 0
    while True:
        product *= next(uniforms)
        if product <= bound:
            return count
        count += 1


def _rejected(rate: float, uniforms: Iterator[float]) -> int:
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    surely = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = next(uniforms) - 0.5, next(uniforms)
        margin = 0.5 - abs(u)
        k = math.floor((2 * a / margin + b) * u + rate + 0.43) if margin else -1
        if margin >= 0.07 and v <= surely:
            return k
        if k < 0 or (margin < 0.013 and v > margin):
            continue
        height = math.log(v * inverse_alpha / (a / (margin * margin) + b)) if v else -math.inf
        if height <= -rate + k * math.log(rate) - math.lgamma(k + 1):
            return k
