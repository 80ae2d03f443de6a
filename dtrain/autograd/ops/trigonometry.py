# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Circular and hyperbolic functions, and other powers and logarithms, element by element."""

import math
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import floating
from dtrain.autograd.op import op
from dtrain.autograd.ops.elementwise import ANY, POSITIVE, sqrt
from dtrain.autograd.ops.logic import where
from dtrain.autograd.value import Array

INSIDE = (-0.9, 0.9)
_LOG2, _LOG10 = math.log(2.0), math.log(10.0)


@op(prepare=floating, domain=ANY, x=lambda g, x: g * cos(x))
def sin(x: Array) -> Any:
    """Sine of radians."""
    return np.sin(x)


@op(prepare=floating, domain=ANY, x=lambda g, x: -g * sin(x))
def cos(x: Array) -> Any:
    """Cosine of radians."""
    return np.cos(x)


@op(prepare=floating, domain=(-1.2, 1.2), x=lambda g, out: g * (1.0 + out * out))
def tan(x: Array) -> Any:
    """Tangent of radians."""
    return np.tan(x)


@op(prepare=floating, domain=INSIDE, x=lambda g, x: g / sqrt(1.0 - x * x))
def asin(x: Array) -> Any:
    """Arc sine, in radians; nan outside [-1, 1]."""
    return np.arcsin(x)


@op(prepare=floating, domain=INSIDE, x=lambda g, x: -g / sqrt(1.0 - x * x))
def acos(x: Array) -> Any:
    """Arc cosine, in radians; nan outside [-1, 1]."""
    return np.arccos(x)


@op(prepare=floating, domain=ANY, x=lambda g, x: g / (x * x + 1.0))
def atan(x: Array) -> Any:
    """Arc tangent, in radians."""
    return np.arctan(x)


@op(
    prepare=floating,
    domain=POSITIVE,
    a=lambda g, a, b: g * (b / _from_origin(a, b)),
    b=lambda g, a, b: g * (-a / _from_origin(a, b)),
)
def atan2(a: Array, b: Array) -> Any:
    """Angle of the point (b, a), in radians, in (-pi, pi]; gradient 0 at the origin."""
    return np.arctan2(a, b)


def _from_origin(a: Any, b: Any) -> Any:
    """The squared distance, which is divided by: 1 for the origin itself."""
    square = a * a + b * b
    return where(square == 0, 1.0, square)


@op(prepare=floating, domain=ANY, x=lambda g, x: g * cosh(x))
def sinh(x: Array) -> Any:
    """Hyperbolic sine."""
    return np.sinh(x)


@op(prepare=floating, domain=ANY, x=lambda g, x: g * sinh(x))
def cosh(x: Array) -> Any:
    """Hyperbolic cosine."""
    return np.cosh(x)


@op(prepare=floating, domain=ANY, x=lambda g, x: g / sqrt(x * x + 1.0))
def asinh(x: Array) -> Any:
    """Inverse of the hyperbolic sine."""
    return np.arcsinh(x)


@op(prepare=floating, domain=(1.25, 4.0), x=lambda g, x: g / sqrt(x * x - 1.0))
def acosh(x: Array) -> Any:
    """Inverse of the hyperbolic cosine; nan below 1."""
    return np.arccosh(x)


@op(prepare=floating, domain=INSIDE, x=lambda g, x: g / (1.0 - x * x))
def atanh(x: Array) -> Any:
    """Inverse of the hyperbolic tangent; nan outside [-1, 1]."""
    return np.arctanh(x)


@op(prepare=floating, domain=ANY, x=lambda g, out: g * (out * _LOG2))
def exp2(x: Array) -> Any:
    """2 ** x."""
    return np.exp2(x)


@op(prepare=floating, domain=POSITIVE, x=lambda g, x: g / (x * _LOG2))
def log2(x: Array) -> Any:
    """Logarithm to base 2."""
    return np.log2(x)


@op(prepare=floating, domain=POSITIVE, x=lambda g, x: g / (x * _LOG10))
def log10(x: Array) -> Any:
    """Logarithm to base 10."""
    return np.log10(x)


@op(prepare=floating, domain=POSITIVE, x=lambda g, out: -g * (out * out))
def reciprocal(x: Array) -> Any:
    """1 / x."""
    return x.dtype.type(1) / x


@op(prepare=floating, domain=POSITIVE, x=lambda g, out: -0.5 * g * (out * out * out))
def rsqrt(x: Array) -> Any:
    """1 / sqrt(x)."""
    return x.dtype.type(1) / np.sqrt(x)


@op(
    prepare=floating,
    domain=POSITIVE,
    a=lambda g, a, out: g * (a / out),
    b=lambda g, b, out: g * (b / out),
)
def hypot(a: Array, b: Array) -> Any:
    """sqrt(a ** 2 + b ** 2), without overflow."""
    return np.hypot(a, b)
