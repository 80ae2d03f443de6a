# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Arithmetic and functions, element by element. `domain` says where samples are drawn from."""

import math
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import common, floating
from dtrain.autograd.op import op
from dtrain.autograd.ops.logic import where
from dtrain.autograd.value import Array

ANY = (-3.0, 3.0)
POSITIVE = (0.25, 4.0)


@op(prepare=common, domain=ANY, a=lambda g: g, b=lambda g: g)
def add(a: Array, b: Array) -> Array:
    """a + b."""
    return a + b


@op(prepare=common, domain=ANY, a=lambda g: g, b=lambda g: -g)
def sub(a: Array, b: Array) -> Array:
    """a - b. Raises TypeError for two bool arrays, as NumPy does."""
    return a - b


@op(prepare=common, domain=ANY, a=lambda g, b: g * b, b=lambda g, a: g * a)
def mul(a: Array, b: Array) -> Array:
    """a * b."""
    return a * b


@op(
    prepare=floating,
    domain=POSITIVE,
    a=lambda g, b: g / b,
    b=lambda g, a, b: -g * (a / b / b),
)
def div(a: Array, b: Array) -> Array:
    """a / b; integers give float32."""
    return a / b


@op(
    prepare=common,
    domain=POSITIVE,
    a=lambda g: g * 0.0,
    b=lambda g: g * 0.0,
)
def floor_divide(a: Array, b: Array) -> Array:
    """a / b, rounded down."""
    return np.floor_divide(a, b)


@op(
    prepare=common,
    domain=POSITIVE,
    a=lambda g: g,
    b=lambda g, a, b: -g * floor_divide(a, b),
)
def remainder(a: Array, b: Array) -> Array:
    """a - b * floor(a / b), with the sign of b."""
    return np.remainder(a, b)


def _pow_base(g: Any, a: Any, b: Any) -> Any:
    if isinstance(b, int | float):
        return g * (b * a ** (b - 1)) if b != 0 else g * 0.0
    return g * where(b == 0, 0.0, b * a ** (b - 1))


def _pow_exponent(g: Any, a: Any, b: Any, out: Any) -> Any:
    if isinstance(a, int | float):
        logarithm = math.log(a) if a > 0 else -math.inf if a == 0 else math.nan
    else:
        logarithm = log(a)
    return g * where((b >= 0) & (a == 0), 0.0, out * logarithm)


@op(prepare=common, domain=POSITIVE, a=_pow_base, b=_pow_exponent)
def pow_(a: Array, b: Array) -> Array:
    """a ** b. The gradient for b is 0 where a = 0 and b >= 0, as in PyTorch."""
    return a**b


@op(domain=ANY, x=lambda g: -g)
def neg(x: Array) -> Array:
    """-x."""
    return -x


@op(domain=ANY, x=lambda g, x: g * sign(x))
def abs_(x: Array) -> Array:
    """|x|, with gradient 0 at 0."""
    return np.abs(x)


@op(domain=ANY, x=lambda g: g * 0.0)
def sign(x: Array) -> Array:
    """-1, 0 or 1."""
    return np.sign(x)


@op(prepare=floating, domain=ANY, x=lambda g, out: g * out)
def exp(x: Array) -> Array:
    """e ** x."""
    return np.exp(x)


@op(prepare=floating, domain=POSITIVE, x=lambda g, x: g / x)
def log(x: Array) -> Array:
    """Natural logarithm; -inf at 0, nan below."""
    return np.log(x)


@op(prepare=floating, domain=POSITIVE, x=lambda g, out: g / (2.0 * out))
def sqrt(x: Array) -> Array:
    """Square root; nan below 0."""
    return np.sqrt(x)


@op(prepare=floating, domain=ANY, x=lambda g, out: g * (1.0 - out * out))
def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


@op(prepare=floating, domain=ANY, x=lambda g, out: g * ((1.0 - out) * out))
def sigmoid(x: Array) -> Any:
    """1 / (1 + e ** -x)."""
    return 1.0 / (1.0 + np.exp(-x))


@op(domain=ANY, x=lambda g, out: g * (out > 0))
def relu(x: Array) -> Any:
    """max(x, 0), with gradient 0 at 0."""
    return np.maximum(x, x.dtype.type(0))


@op(
    prepare=common,
    domain=ANY,
    a=lambda g, a, b: g * _share(a, b),
    b=lambda g, a, b: g * _share(b, a),
)
def maximum(a: Array, b: Array) -> Array:
    """The greater of a and b; nan if either is nan. Equal ones share the gradient by halves."""
    return np.maximum(a, b)


@op(
    prepare=common,
    domain=ANY,
    a=lambda g, a, b: g * _share(b, a),
    b=lambda g, a, b: g * _share(a, b),
)
def minimum(a: Array, b: Array) -> Array:
    """The lesser of a and b; nan if either is nan. Equal ones share the gradient by halves."""
    return np.minimum(a, b)


def _share(winner: Any, other: Any) -> Any:
    """1 where the winner is greater, 1/2 where both are equal."""
    return where(winner == other, 0.5, where(winner > other, 1.0, 0.0))
