# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Functions with jumps: rounding, signs, limits, tests for inf and nan, element by element."""

from typing import Any

import numpy as np

from dtrain.autograd.dtypes import common, floating
from dtrain.autograd.op import op
from dtrain.autograd.ops import promotion
from dtrain.autograd.ops.elementwise import ANY, POSITIVE
from dtrain.autograd.ops.logic import nothing, tied, where
from dtrain.autograd.value import Array


@op(prepare=promotion.numbers("floor_vml_cpu"), domain=ANY, x=nothing)
def floor(x: Array) -> Any:
    """The greatest integer that is not greater."""
    return np.floor(x) if x.dtype.kind == "f" else x.copy()


@op(prepare=promotion.numbers("ceil_vml_cpu"), domain=ANY, x=nothing)
def ceil(x: Array) -> Any:
    """The least integer that is not less."""
    return np.ceil(x) if x.dtype.kind == "f" else x.copy()


@op(prepare=promotion.numbers("trunc_vml_cpu"), domain=ANY, x=nothing)
def trunc(x: Array) -> Any:
    """The integer part."""
    return np.trunc(x) if x.dtype.kind == "f" else x.copy()


@op(prepare=promotion.numbers("round_vml_cpu"), domain=ANY, x=nothing)
def round_(x: Array, *, decimals: int = 0) -> Any:
    """To the nearest integer, to the even one of two; or to so many decimals."""
    if not decimals:
        return np.rint(x) if x.dtype.kind == "f" else x.copy()
    scale = x.dtype.type(10.0 ** abs(decimals))
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


@op(domain=ANY, x=lambda g: g)
def frac(x: Array) -> Any:
    """x without its integer part."""
    return x - np.trunc(x)


@op(x=lambda g, x, low, high: g * inside(x, low, high))
def clamp(x: Array, *, low: Any = None, high: Any = None) -> Any:
    """x, but at least `low` and at most `high`; nan stays. The gradient is 1 on the limits."""
    out = x if low is None else np.maximum(x, x.dtype.type(low))
    return np.array(out) if high is None else np.minimum(out, x.dtype.type(high))


def inside(x: Any, low: Any, high: Any) -> Any:
    """1 where x is within the limits, else 0."""
    held = x == x if low is None else x >= low
    return (held if high is None else held & (x <= high)) * 1.0


@op(domain=ANY, x=lambda g, x: g * finite(x))
def nan_to_num(x: Array, *, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with nan and the infinities replaced, these by the dtype's greatest and least numbers."""
    return np.nan_to_num(x, copy=True, nan=nan, posinf=posinf, neginf=neginf)


def finite(x: Any) -> Any:
    """1 where x is a finite number, else 0."""
    return isfinite(x) * 1.0


@op()
def isfinite(x: Array) -> Any:
    """Whether it is neither infinite nor nan."""
    return np.isfinite(x)


@op()
def isinf(x: Array) -> Any:
    """Whether it is infinite."""
    return np.isinf(x)


@op()
def isnan(x: Array) -> Any:
    """Whether it is nan."""
    return np.isnan(x)


@op()
def signbit(x: Array) -> Any:
    """Whether the sign is minus, that of -0.0 too."""
    return np.signbit(x) if x.dtype.kind == "f" else x < 0


@op(
    prepare=promotion.dividing("fmod_cpu"),
    domain=POSITIVE,
    a=lambda g: g,
    b=lambda g, a, b: -g * quotient(a, b),
)
def fmod(a: Array, b: Array) -> Any:
    """a - b * trunc(a / b), with the sign of a."""
    return np.fmod(a, b)


def quotient(a: Any, b: Any) -> Any:
    """a / b, rounded towards zero."""
    return trunc(a / b)


@op(prepare=promotion.dividing("div_trunc_cpu"), domain=POSITIVE, a=nothing, b=nothing)
def trunc_divide(a: Array, b: Array) -> Any:
    """a / b, rounded towards zero; for integers without a detour through floats."""
    dtype = np.result_type(a, b)
    if dtype.kind == "f":
        return np.trunc(np.true_divide(a, b))
    down = np.floor_divide(a, b)
    return (down + ((down < 0) & (np.fmod(a, b) != 0))).astype(dtype)


@op(
    prepare=floating,
    domain=ANY,
    a=lambda g, a, b: tied(where(b >= 0.0, g, -g) * where(a >= 0.0, 1.0, -1.0), a),
    b=nothing,
)
def copysign(a: Array, b: Array) -> Any:
    """|a| with the sign of b."""
    return np.copysign(a, b)


@op(prepare=common, domain=ANY, a=nothing, b=nothing)
def heaviside(a: Array, b: Array) -> Any:
    """0 below zero, 1 above, b at zero."""
    dtype = np.result_type(a, b)
    return np.where(a == 0, b, a > 0).astype(dtype)


@op(prepare=common, a=lambda g: g, b=nothing)
def nextafter(a: Array, b: Array) -> Any:
    """The next floating point number after a, towards b."""
    return np.nextafter(a, b)


@op(prepare=promotion.whole("gcd_cpu", bools=False))
def gcd(a: Array, b: Array) -> Any:
    """Greatest common divisor."""
    return np.gcd(a, b)


@op(prepare=promotion.whole("lcm_cpu", bools=False))
def lcm(a: Array, b: Array) -> Any:
    """Least common multiple."""
    return np.lcm(a, b)


@op(x=lambda g, exponent: g / 2.0**exponent)
def mantissa(x: Array, exponent: Array) -> Any:
    """x / 2 ** exponent, for the exponent that makes it at least 1/2 and less than 1."""
    return np.frexp(x)[0]
