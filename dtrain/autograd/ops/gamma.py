# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""The gamma function's logarithm and its derivatives, element by element, without SciPy.

All are computed in float64 and rounded once.
"""

import math
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import floating
from dtrain.autograd.op import op
from dtrain.autograd.value import Array

ABOVE = (0.25, 4.0)
FAR = 10.0  # from here on the asymptotic series have 16 digits

# Bernoulli's numbers B[2], B[4], ... B[24].
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330, 854513 / 138, -236364091 / 2730,
)  # fmt: skip


@op(prepare=floating, domain=ABOVE, x=lambda g, x: g * digamma(x))
def lgamma(x: Array) -> Any:
    """log |gamma(x)|; inf at 0 and below it at integers."""
    wide = x.astype(np.float64)
    out = np.where(wide < 0.5, _reflected_lgamma(wide), _lgamma(np.where(wide < 0.5, 1.0, wide)))
    return np.where(np.isinf(wide), np.inf, out).astype(x.dtype)


def _reflected_lgamma(x: Array) -> Array:
    """gamma(x) gamma(1 - x) = pi / sin(pi x)."""
    away = np.where(x < 0.5, x, 0.25)
    sine = np.abs(np.sin(math.pi * (away - np.floor(away))))
    return np.asarray(np.log(math.pi / sine) - _lgamma(1 - away))


def _lgamma(x: Array) -> Array:
    """For x > 0: gamma(x) = gamma(x + n) / (x (x + 1) ... (x + n - 1)), and Stirling's series."""
    product = np.ones_like(x)
    for _ in range(int(FAR)):
        near = x < FAR
        product = np.where(near, product * x, product)
        x = np.where(near, x + 1, x)
    series = sum(
        number / (2 * k * (2 * k - 1)) / x ** (2 * k - 1)
        for k, number in enumerate(_BERNOULLI[:8], 1)
    )
    main = (x - 0.5) * np.log(x) - x + 0.5 * math.log(2 * math.pi)
    return np.asarray(main + series - np.log(product))


@op(prepare=floating, domain=ABOVE, x=lambda g, x: g * polygamma(x, n=1))
def digamma(x: Array) -> Any:
    """The derivative of lgamma; nan at integers below 0, at 0 infinite with the other sign."""
    wide = x.astype(np.float64)
    out = np.where(wide < 0.5, _reflected_digamma(wide), _digamma(np.where(wide < 0.5, 1.0, wide)))
    out = np.where((wide < 0) & (wide == np.floor(wide)), np.nan, out)
    return np.where(wide == 0, np.copysign(np.inf, -wide), out).astype(x.dtype)


def _reflected_digamma(x: Array) -> Array:
    """digamma(1 - x) - digamma(x) = pi / tan(pi x)."""
    away = np.where(x < 0.5, x, 0.25)
    return np.asarray(_digamma(1 - away) - math.pi / np.tan(math.pi * (away - np.floor(away))))


def _digamma(x: Array) -> Array:
    """For x > 0: digamma(x) = digamma(x + 1) - 1 / x, and its asymptotic series."""
    total = np.zeros_like(x)
    for _ in range(int(FAR)):
        near = x < FAR
        total = np.where(near, total - 1 / x, total)
        x = np.where(near, x + 1, x)
    series = sum(number / (2 * k) / x ** (2 * k) for k, number in enumerate(_BERNOULLI[:8], 1))
    return np.asarray(total + np.log(x) - 0.5 / x - series)


@op(prepare=floating, x=lambda g, x, n: g * polygamma(x, n=n + 1))
def polygamma(x: Array, *, n: int) -> Any:
    """The n-th derivative of digamma, n >= 1: (-1)**(n + 1) n! zeta(n + 1, x)."""
    wide = x.astype(np.float64)
    if n == 1:
        return _trigamma(wide).astype(x.dtype)
    scale = (1.0 if n % 2 else -1.0) * math.factorial(n)
    return (scale * hurwitz(float(n + 1), wide)).astype(x.dtype)


def _trigamma(x: Array) -> Array:
    """Below 1/2 by reflection: trigamma(1 - x) + trigamma(x) = (pi / sin(pi x))**2."""
    below = x < 0.5
    away = hurwitz(2.0, np.where(below, 1 - x, x))
    sine = np.sin(math.pi * (x - np.floor(x)))
    return np.where(below, (math.pi / sine) ** 2 - away, away)


def hurwitz(s: float, x: Array) -> Array:
    """zeta(s, x) = sum over k >= 0 of (x + k) ** -s, for s > 1; inf where x is 0 or an integer
    below. It takes as many steps as x is below 10.

    Source: Euler's and Maclaurin's formula, from x + k >= 10 on.
    """
    pole = (x <= 0) & (x == np.floor(x))
    at = np.where(pole | np.isnan(x), 1.0, x)
    total = np.zeros_like(at)
    while (near := at < FAR).any():
        total = np.where(near, total + np.where(near, at, 1.0) ** -s, total)
        at = np.where(near, at + 1, at)
    total = total + at ** (1 - s) / (s - 1) + 0.5 * at**-s
    factor = s
    for k, number in enumerate(_BERNOULLI, 1):
        total = total + number * factor / math.factorial(2 * k) * at ** (-s - 2 * k + 1)
        factor *= (s + 2 * k - 1) * (s + 2 * k)
    return np.where(np.isnan(x), np.nan, np.where(pole, np.inf, total))
