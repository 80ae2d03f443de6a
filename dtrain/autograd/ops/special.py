# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""The error function and its like, element by element, without SciPy."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import floating
from dtrain.autograd.op import op
from dtrain.autograd.ops.blocks import in_blocks, like, polynomial
from dtrain.autograd.ops.elementwise import ANY, POSITIVE, exp
from dtrain.autograd.ops.logic import where
from dtrain.autograd.value import Array

_SLOPE = 2 / math.sqrt(math.pi)  # of erf at 0

# Numerators and denominators, from the constant term up. Source: Sun Microsystems 1993, fdlibm,
# s_erf.c: erf on [0, 0.84375], on [0.84375, 1.25], erfc on [1.25, 1/0.35], on [1/0.35, 28].
_NEAR = (
    (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
     -5.77027029648944159157e-03, -2.37630166566501626084e-05),
    (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
     1.32494738004321644526e-04, -3.96022827877536812320e-06),
)  # fmt: skip
_AT_ONE = 8.45062911510467529297e-01  # erf(1), rounded to float32
_AROUND_ONE = (
    (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
     3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
     -2.16637559486879084300e-03),
    (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
     1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02),
)  # fmt: skip
_FAR = (
    (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
     -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
     -8.12874355063065934246e+01, -9.81432934416914548592e+00),
    (1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
     6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
     6.57024977031928170135e+00, -6.04244152148580987438e-02),
)  # fmt: skip
_FARTHER = (
    (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
     -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
     -4.83519191608651397019e+02),
    (1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
     3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
     -2.24409524465858183362e+01),
)  # fmt: skip

# erf(x) / x over x**2 for |x| < 3.95, where float32 calls it 1; the error is below 2.1e-8.
# Source: least squares, with the weights moved until the greatest error was least (Lawson 1961).
_SINGLE = (
    (1.128379143733798, 0.19155045426889397, 0.05287546763460168, 0.0038081690442693605,
     0.00028468813082009104, 2.0259095697487545e-06),
    (1.0, 0.5030898456411846, 0.11455968531733866, 0.015055103568059714, 0.0011707280676804192,
     3.783183899648327e-05),
)  # fmt: skip

_GILES_NEAR = (
    1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-06,
    -3.5233877e-06, 3.43273939e-07, 2.81022636e-08,
)  # fmt: skip
_GILES_FAR = (
    2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844,
    0.00134934322, 0.000100950558, -0.000200214257,
)  # fmt: skip


@op(prepare=floating, domain=ANY, x=lambda g, x: g * (_SLOPE * exp(-x * x)))
def erf(x: Array) -> Array:
    """Error function: 2 / sqrt(pi) * integral of exp(-t**2) from 0 to x. Right to 1 ulp."""
    return _by_blocks(_erf_kernel if x.dtype == np.float64 else _erf_single_kernel, x)


@op(prepare=floating, domain=ANY, x=lambda g, x: g * (-_SLOPE * exp(-x * x)))
def erfc(x: Array) -> Array:
    """1 - erf(x), also where that is tiny. Right to 4 ulp in float64, 1 in float32."""
    return _by_blocks(_erfc_kernel, x)


@op(prepare=floating, domain=(-0.9, 0.9), x=lambda g, out: g * exp(out * out) / _SLOPE)
def erfinv(x: Array) -> Any:
    """The inverse of erf: +-inf at +-1, nan outside.

    Source: Giles 2010, "Approximating the erfinv function", for float32; then Newton's steps.
    """
    wide = x.astype(np.float64)
    inside = np.abs(wide) < 1
    y = np.where(inside, wide, 0.0)
    out = _giles(y)
    for _ in range(2):
        out = out - _step(out, y)
    edge = np.where(np.abs(wide) == 1, np.copysign(np.inf, wide), np.nan)
    return np.where(inside, out, edge).astype(x.dtype)


def _step(out: Array, y: Array) -> Any:
    """Newton's step for erf(out) = y, by erfc, which keeps its digits where erf is near 1."""
    size = np.abs(out)
    error = (1 - np.abs(y)) - erfc(size)
    return np.where(out < 0, -1.0, 1.0) * (error / (_SLOPE * np.exp(-size * size)))


def _giles(y: Array) -> Array:
    w = -np.log((1 - y) * (1 + y))
    near, far = w - 2.5, np.sqrt(np.maximum(w, 5.0)) - 3.0
    p, q = np.empty_like(y), np.empty_like(y)
    polynomial(near, _GILES_NEAR, p)
    polynomial(far, _GILES_FAR, q)
    return np.where(w < 5, p, q) * y


@op(prepare=floating, domain=(-0.75, 3.0), x=lambda g, x: g / (x + 1.0))
def log1p(x: Array) -> Any:
    """log(1 + x), accurate for small x; -inf at -1, nan below."""
    return np.log1p(x)


@op(prepare=floating, domain=ANY, x=lambda g, out: g * (out + 1.0))
def expm1(x: Array) -> Any:
    """e**x - 1, accurate for small x."""
    return np.expm1(x)


def _by_blocks(kernel: Any, x: Array) -> Array:
    out = like(x)
    in_blocks(kernel, x, out)
    return out


def _erf_single_kernel(x: Array, out: Array) -> None:
    """A float32 or shorter, by way of float64: rounded once."""
    wide = np.clip(x, -3.95, 3.95, dtype=np.float64)
    np.multiply(wide, _ratio(wide * wide, _SINGLE), out=out, casting="same_kind")


def _erf_kernel(x: Array, out: Array) -> None:
    size = np.abs(x)
    out[...] = np.copysign(1.0, x)  # what it is from 6 on
    _fill(out, ~(size >= 0.84375), x, _near)  # nan too
    _fill(out, (size >= 0.84375) & (size < 1.25), x, lambda x: _around_one(x, 0.0))
    _fill(out, (size >= 1.25) & (size < 6), x, lambda x: np.copysign(1 - _tail(np.abs(x)), x))


def _erfc_kernel(x: Array, out: Array) -> None:
    x = x.astype(np.float64)
    size = np.abs(x)
    result = np.where(x < 0, 2.0, 0.0)
    _fill(result, ~(size >= 0.84375), x, lambda x: 1 - _near(x))
    _fill(result, (x >= 0.25) & (x < 0.84375), x, lambda x: 0.5 - (x - 0.5 + x * _ratio_near(x)))
    _fill(result, (size >= 0.84375) & (size < 1.25), x, lambda x: -_around_one(x, 1.0))
    _fill(result, (x >= 1.25) & (x < 28), x, _tail)
    _fill(result, (x <= -1.25) & (x > -6), x, lambda x: 2 - _tail(-x))
    out[...] = result


def _fill(result: Array, mask: Array, x: Array, function: Any) -> None:
    """result = function(x), where the mask says so."""
    at = np.flatnonzero(mask)
    if at.size:
        result[at] = function(x[at])


def _near(x: Array) -> Any:
    """erf for |x| < 0.84375."""
    return x + x * _ratio_near(x)


def _ratio_near(x: Array) -> Any:
    return _ratio(x * x, _NEAR)


def _around_one(x: Array, shift: float) -> Any:
    """erf - shift for 0.84375 <= |x| < 1.25."""
    at_one = np.copysign(_AT_ONE, x) - shift
    return at_one + np.copysign(1.0, x) * _ratio(np.abs(x) - 1.0, _AROUND_ONE)


def _tail(x: Array) -> Any:
    """erfc for 1.25 <= x: exp(-x**2) times a function of 1/x**2.

    x = z + (x - z) with a z so short that its square is exact; x**2 = z**2 + (x - z)(x + z).
    """
    inverse = 1.0 / (x * x)
    series = np.where(x < 1 / 0.35, _ratio(inverse, _FAR), _ratio(inverse, _FARTHER))
    z = x.astype(np.float32).astype(np.float64)
    return np.exp(-z * z - 0.5625) * np.exp((z - x) * (z + x) + series) / x


def _ratio(x: Array, coefficients: Sequence[Sequence[float]]) -> Any:
    above, below = np.empty_like(x), np.empty_like(x)
    polynomial(x, coefficients[0], above)
    polynomial(x, coefficients[1], below)
    above /= below
    return above


@op(
    prepare=floating,
    domain=POSITIVE,
    a=lambda g, a, b: where((a == 0) & (b <= 0), 0.0, xlogy(g, b)),
    b=lambda g, a, b: g * a / b,
)
def xlogy(a: Array, b: Array) -> Any:
    """a * log(b); 0 where a is 0, but nan where b is nan."""
    return _unless_zero(a, b, a * np.log(b))


@op(
    prepare=floating,
    domain=POSITIVE,
    label="SpecialXlog1Py",
    a=lambda g, a, b: where((a == 0) & (b <= -1), 0.0, xlog1py(g, b)),
    b=lambda g, a, b: g * a / (b + 1.0),
)
def xlog1py(a: Array, b: Array) -> Any:
    """a * log(1 + b); 0 where a is 0, but nan where b is nan."""
    return _unless_zero(a, b, a * np.log1p(b))


def _unless_zero(a: Array, b: Array, product: Any) -> Any:
    """The product, and 0 where a is 0, whatever b is, but for nan."""
    return np.where((np.asarray(a) == 0) & ~np.isnan(b), product.dtype.type(0), product)
