"""Logarithm, exponential, sine and cosine in float64, of additions, products and quotients alone.

NumPy's own, and those of the C library, differ in the last bit from one machine to another. IEEE
arithmetic does not: these functions have the same bits everywhere, and are within 1 ulp.

Each brings its argument into a short interval, exactly or with the error carried along, and sums a
Taylor series there, which ends where its terms no longer count.

Source: Cody and Waite 1980 (reduction); Dekker 1971 and Knuth (products and sums without error).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.value import Array

# The upper bits of a constant, few enough that small multiples of it are exact, and the rest.
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
HALF_PI_HIGH, HALF_PI_LOW = 1.57079632673412561417e00, 6.07710050650619224932e-11

_LOG = [2 / n for n in range(3, 23, 2)]  # of (log(1+f) - 2s) / s^3 in s^2, where s = f / (2 + f)
_SIN = [(-1) ** n / math.factorial(2 * n + 1) for n in range(1, 10)]  # (sin(x) - x) / x^3 in x^2
_COS = [(-1) ** n / math.factorial(2 * n) for n in range(2, 11)]  # (cos(x) - 1 + x^2/2) / x^4
_EXP = [1 / math.factorial(n) for n in range(2, 15)]  # (exp(x) - 1 - x) / x^2 in x

_SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)
_ONE_BITS = np.int64(0x3FF0000000000000)
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)


def log(x: Array) -> Array:
    """Natural logarithm of normal positive numbers; -inf for 0."""
    bits = x.view(np.int64) + (_ONE_BITS - _SQRT_HALF_BITS)
    power = ((bits >> 52) - 1023).astype(np.float64)
    f = ((bits & _MANTISSA) + _SQRT_HALF_BITS).view(np.float64) - 1.0  # x = 2^power * (1 + f)
    s = f / (f + 2.0)
    square = s * s
    half = 0.5 * f * f  # log(1+f) = f - half + s * (half + series)
    rest = s * (half + square * polynomial(square, _LOG)) + power * LN2_LOW
    out: Array = power * LN2_HIGH - ((half - rest) - f)
    out[x == 0.0] = -np.inf
    return out


def log1p(x: float) -> float:
    """log(1 + x) of one number above -1."""
    total = np.array([1.0 + x])
    lost = (x - (total - 1.0)) / total  # what rounding 1 + x took away
    return float((log(total) + lost)[0])


@np.errstate(all="ignore")
def exp(x: Array) -> Array:
    """Exponential; inf and 0 beyond the range of float64."""
    power = np.rint(np.clip(x, -800.0, 800.0) * (1 / math.log(2)))
    high = np.clip(x, -800.0, 800.0) - power * LN2_HIGH
    low = power * LN2_LOW
    r = high - low
    error = (high - r) - low
    out: Array = 1.0 + (r + (error + r * r * polynomial(r, _EXP)))
    return np.ldexp(out, power.astype(np.int32))


def cos_sin(x: Array) -> tuple[Array, Array]:
    """Cosine and sine of angles within some turns of 0."""
    quarter = np.rint(x * (2 / math.pi))
    high = x - quarter * HALF_PI_HIGH
    low = quarter * HALF_PI_LOW
    r = high - low
    error = (high - r) - low
    square = r * r
    half = 0.5 * square
    top = 1.0 - half
    cos = top + (((1.0 - top) - half) + (square * square * polynomial(square, _COS) - r * error))
    sin = r + (r * square * polynomial(square, _SIN) + error * top)
    return turned(cos, sin, quarter.astype(np.int64))


def turned(cos: Array, sin: Array, quarter: Array) -> tuple[Array, Array]:
    """Cosine and sine after so many quarter turns: exchanged, and with their signs, bit by bit.

    The three arrays have elements of one size, and `quarter` is of integers.
    """
    top = 8 * quarter.itemsize - 1
    c, s = cos.view(quarter.dtype), sin.view(quarter.dtype)
    exchange = (c ^ s) & -(quarter & 1)
    c_sign = ((quarter + 1) & 2) << (top - 1)
    s_sign = (quarter & 2) << (top - 1)
    return (c ^ exchange ^ c_sign).view(cos.dtype), (s ^ exchange ^ s_sign).view(sin.dtype)


def polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """c[0] + c[1] x + c[2] x^2 + ..."""
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= x
        total += coefficient
    return total


def multiply_add(x: Array, factor: float, term: float) -> Any:
    """x * factor + term in float64, rounded once, unless one of them is beyond 10^290."""
    product = x * factor
    if (factor == 1.0 and term == 0.0) or not max(abs(factor), abs(term)) < 1e290:
        return product + term
    x_high, factor_high = _upper_half(x), _upper_half(np.float64(factor))
    x_low, factor_low = x - x_high, factor - factor_high
    error = x_low * factor_low - (
        ((product - x_high * factor_high) - x_low * factor_high) - x_high * factor_low
    )
    total = product + term
    part = total - product
    return total + (error + ((product - (total - part)) + (term - part)))


def _upper_half(x: Any) -> Any:
    """The upper 26 bits of a float64."""
    shifted = x * 134217729.0  # 2^27 + 1
    return shifted - (shifted - x)
