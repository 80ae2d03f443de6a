# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Comparisons, logic, and choice by a condition. Only `where` has gradients."""

from typing import Any

import numpy as np

from dtrain.autograd.dtypes import common
from dtrain.autograd.op import op
from dtrain.autograd.value import Array


@op(prepare=common)
def eq(a: Array, b: Array) -> Any:
    """a == b, element by element."""
    return np.equal(a, b)


@op(prepare=common)
def ne(a: Array, b: Array) -> Any:
    """a != b, element by element."""
    return np.not_equal(a, b)


@op(prepare=common)
def lt(a: Array, b: Array) -> Any:
    """a < b."""
    return np.less(a, b)


@op(prepare=common)
def le(a: Array, b: Array) -> Any:
    """a <= b."""
    return np.less_equal(a, b)


@op(prepare=common)
def gt(a: Array, b: Array) -> Any:
    """a > b."""
    return np.greater(a, b)


@op(prepare=common)
def ge(a: Array, b: Array) -> Any:
    """a >= b."""
    return np.greater_equal(a, b)


@op(prepare=common)
def bitwise_and(a: Array, b: Array) -> Any:
    """a & b, for bools and integers."""
    return np.bitwise_and(a, b)


@op(prepare=common)
def bitwise_or(a: Array, b: Array) -> Any:
    """a | b, for bools and integers."""
    return np.bitwise_or(a, b)


@op(prepare=common)
def bitwise_xor(a: Array, b: Array) -> Any:
    """a ^ b, for bools and integers."""
    return np.bitwise_xor(a, b)


@op(prepare=common)
def bitwise_left_shift(a: Array, b: Array) -> Any:
    """a << b, for integers."""
    return np.left_shift(a, b)


@op(prepare=common)
def bitwise_right_shift(a: Array, b: Array) -> Any:
    """a >> b, for integers."""
    return np.right_shift(a, b)


@op()
def bitwise_not(a: Array) -> Any:
    """~a, for bools and integers."""
    return np.bitwise_not(a)


def _common_choice(values: list[Any]) -> list[Any]:
    return [values[0], *common(values[1:])]


@op(
    prepare=_common_choice,
    a=lambda g, condition: where(condition, g, 0.0),
    b=lambda g, condition: where(condition, 0.0, g),
)
def where(condition: Array, a: Array, b: Array) -> Any:
    """a where the condition holds, b elsewhere; all three broadcast."""
    return np.where(condition, a, b)
