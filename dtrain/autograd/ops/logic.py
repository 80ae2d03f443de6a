# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Comparisons, logic, and choice by a condition. Only `where` has gradients."""

from typing import Any

import numpy as np

from dtrain.autograd.dtypes import result_dtype
from dtrain.autograd.op import op
from dtrain.autograd.ops import promotion
from dtrain.autograd.value import Array, Value


@op(prepare=promotion.wrapping)
def eq(a: Array, b: Array) -> Any:
    """a == b, element by element."""
    return np.equal(a, b)


@op(prepare=promotion.wrapping)
def ne(a: Array, b: Array) -> Any:
    """a != b, element by element."""
    return np.not_equal(a, b)


@op(prepare=promotion.wrapping)
def lt(a: Array, b: Array) -> Any:
    """a < b."""
    return np.less(a, b)


@op(prepare=promotion.wrapping)
def le(a: Array, b: Array) -> Any:
    """a <= b."""
    return np.less_equal(a, b)


@op(prepare=promotion.wrapping)
def gt(a: Array, b: Array) -> Any:
    """a > b."""
    return np.greater(a, b)


@op(prepare=promotion.wrapping)
def ge(a: Array, b: Array) -> Any:
    """a >= b."""
    return np.greater_equal(a, b)


@op(prepare=promotion.whole("bitwise_and_cpu"))
def bitwise_and(a: Array, b: Array) -> Any:
    """a & b, for bools and integers."""
    return np.bitwise_and(a, b)


@op(prepare=promotion.whole("bitwise_or_cpu"))
def bitwise_or(a: Array, b: Array) -> Any:
    """a | b, for bools and integers."""
    return np.bitwise_or(a, b)


@op(prepare=promotion.whole("bitwise_xor_cpu"))
def bitwise_xor(a: Array, b: Array) -> Any:
    """a ^ b, for bools and integers."""
    return np.bitwise_xor(a, b)


def _bits(a: Array, b: Array) -> int:
    return 8 * int((a if isinstance(a, np.ndarray) else b).dtype.itemsize)


@op(prepare=promotion.whole("lshift_cpu", bools=False))
def bitwise_left_shift(a: Array, b: Array) -> Any:
    """a << b, for integers; 0 for a negative b or one beyond the bits there are."""
    within = (np.asarray(b) >= 0) & (np.asarray(b) < _bits(a, b))
    return np.where(within, np.left_shift(a, np.where(within, b, 0)), 0).astype(_dtype(a, b))


@op(prepare=promotion.whole("rshift_cpu", bools=False))
def bitwise_right_shift(a: Array, b: Array) -> Any:
    """a >> b, for integers; the sign alone for a negative b or one beyond the bits there are."""
    last = _bits(a, b) - 1
    within = (np.asarray(b) >= 0) & (np.asarray(b) <= last)
    dtype = _dtype(a, b)
    shifted = np.right_shift(a, np.where(within, b, last).astype(dtype))
    return shifted if dtype.kind == "i" else np.where(within, shifted, 0).astype(dtype)


def _dtype(a: Array, b: Array) -> Any:
    return (a if isinstance(a, np.ndarray) else b).dtype


@op(prepare=promotion.whole("bitwise_not_cpu"))
def bitwise_not(a: Array) -> Any:
    """~a, for bools and integers."""
    return np.bitwise_not(a)


def _common_choice(values: list[Any]) -> list[Any]:
    condition, *choices = values
    dtype = result_dtype(choices)
    return [condition, *(_as(each, dtype) for each in choices)]


def _as(value: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.astype(dtype, copy=False)
    if dtype == np.float16:  # PyTorch casts a tensor of the number, which may become infinite
        with np.errstate(over="ignore"):
            return dtype.type(value)
    return promotion.converted(value, dtype)


@op(
    prepare=_common_choice,
    a=lambda g, condition: where(condition, g, 0.0),
    b=lambda g, condition: where(condition, 0.0, g),
)
def where(condition: Array, a: Array, b: Array) -> Any:
    """a where the condition holds, b elsewhere; all three broadcast."""
    return np.where(condition, a, b)


# What a rule says of inputs that have no part in the slope of a gradient


def nothing(g: Any) -> Any:
    """Zeros like a gradient; not recorded, whatever the gradient is, and never nan."""
    if isinstance(g, Value):
        return Value.result(np.zeros(g._array.shape, g._array.dtype))
    return np.zeros(g.shape, g.dtype)


def tied(g: Any, x: Any) -> Any:
    """A gradient itself; where it is recorded, x comes into it with a gradient of zeros. PyTorch
    has such zeros, not None, behind the mask of a relu: weight decay tells one from the other."""
    return tie(g, x) if isinstance(g, Value) else g


@op(a=lambda g: g, x=nothing)
def tie(a: Array, x: Array) -> Array:
    """a itself, with a gradient of zeros for x."""
    return a


@op(x=tied)
def anchor(x: Array) -> Array:
    """x itself, with a gradient that is `tied` to it."""
    return x
