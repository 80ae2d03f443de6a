# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Arithmetic and functions, element by element. `domain` says where samples are drawn from."""

import math
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import common, floating, result_dtype
from dtrain.autograd.op import op
from dtrain.autograd.ops import promotion
from dtrain.autograd.ops.logic import nothing, tied, where
from dtrain.autograd.value import Array

ANY = (-3.0, 3.0)
POSITIVE = (0.25, 4.0)
NUMBERS = (int, float)  # not bool


@op(prepare=promotion.wrapping, domain=ANY, a=lambda g: g, b=lambda g: g)
def add(a: Array, b: Array) -> Array:
    """a + b."""
    return a + b


@op(prepare=promotion.without_bools, domain=ANY, a=lambda g: g, b=lambda g: -g)
def sub(a: Array, b: Array) -> Array:
    """a - b. Raises RuntimeError for bools."""
    return a - b


@op(prepare=promotion.wrapping, domain=ANY, a=lambda g, b: g * b, b=lambda g, a: g * a)
def mul(a: Any, b: Any) -> Any:
    """a * b. A number beyond float16 is multiplied before it is rounded, as in PyTorch."""
    if a.__class__ in NUMBERS and b.dtype == np.float16:
        a, b = b, a
    if b.__class__ in NUMBERS and a.dtype == np.float16:
        return (a.astype(np.float32) * b).astype(np.float16)
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
    prepare=promotion.dividing("div_floor_cpu"),
    domain=POSITIVE,
    a=nothing,
    b=nothing,
)
def floor_divide(a: Array, b: Array) -> Array:
    """a / b, rounded down."""
    return np.floor_divide(a, b)


@op(
    prepare=promotion.dividing("remainder_cpu"),
    domain=POSITIVE,
    a=lambda g: g,
    b=lambda g, a, b: -g * floor_divide(a, b),
)
def remainder(a: Array, b: Array) -> Array:
    """a - b * floor(a / b), with the sign of b."""
    return np.remainder(a, b)


def _pow_base(g: Any, a: Any, b: Any) -> Any:
    if isinstance(b, int | float):
        return g * (b * a ** (b - 1)) if b != 0 else nothing(g)
    return g * where(b == 0, 0.0, b * a ** (b - 1))


def _pow_exponent(g: Any, a: Any, b: Any, out: Any) -> Any:
    if isinstance(a, int | float):
        logarithm = math.log(a) if a > 0 else -math.inf if a == 0 else math.nan
    else:
        logarithm = log(a)
    return g * where((b >= 0) & (a == 0), 0.0, out * logarithm)


def _powers(values: list[Any]) -> list[Any]:
    """Raises RuntimeError for an exponent that is a number and does not suit the base's dtype."""
    base, exponent = values
    if isinstance(exponent, int | float) and isinstance(base, np.ndarray | np.generic):
        dtype = result_dtype(values)
        promotion.converted(exponent, dtype)
        if dtype.kind in "iu" and exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
    values = promotion.wrapping(values)
    if all(promotion.is_bool(each) for each in values) and not isinstance(values[1], bool):
        raise promotion.not_implemented("pow", np.dtype(np.bool_))
    return values


@op(prepare=_powers, domain=POSITIVE, a=_pow_base, b=_pow_exponent)
def pow_(a: Array, b: Any) -> Any:
    """a ** b. The gradient for b is 0 where a = 0 and b >= 0, as in PyTorch. Integers to negative
    powers are rounded towards zero."""
    if isinstance(b, np.ndarray) and b.dtype.kind == "i" and np.any(b < 0):
        return _whole_power(a, b)
    if isinstance(b, bool) and a.dtype.kind == "b":
        return a | (not b)
    return a**b


by_number, of_number = pow_.called("PowBackward0", only=0), pow_.called("PowBackward2", only=1)


def _whole_power(a: Array, b: Array) -> Any:
    sign_of_power = np.where(b % 2, a, 1)  # of a = 1 or -1
    inverse = np.where(np.abs(a) == 1, sign_of_power, 0)
    return np.where(b < 0, inverse, a ** np.maximum(b, 0)).astype(b.dtype)


@op(domain=ANY, x=lambda g: -g)
def neg(x: Array) -> Array:
    """-x. Raises RuntimeError for bools."""
    if x.dtype.kind == "b":
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return -x


@op(prepare=promotion.numbers("abs_cpu"), domain=ANY, x=lambda g, x: g * sign(x))
def abs_(x: Array) -> Array:
    """|x|, with gradient 0 at 0."""
    return np.abs(x)


@op(domain=ANY, x=nothing)
def sign(x: Array) -> Array:
    """-1, 0 or 1."""
    return x.copy() if x.dtype.kind == "b" else np.sign(x)


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


@op(domain=ANY, x=lambda g, out: tied(g * (out > 0), out))
def relu(x: Array) -> Any:
    """max(x, 0), with gradient 0 at 0."""
    if x.dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")
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
