# mypy: disable-error-code="no-any-return"
"""Comparisons, logic, and choice by a condition."""

from typing import Any

import numpy as np

from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import logic
from dtrain.autograd.tensor import Tensor

__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "eq", "equal", "ge", "gt", "le", "lt", "ne", "where",
]  # fmt: skip


def _binary(op: Any) -> Any:
    def function(input: Any, other: Any) -> Any:
        return op(input, other)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.__doc__
    return public(in_place=True)(function)


eq, ne, lt, le, gt, ge = map(_binary, (logic.eq, logic.ne, logic.lt, logic.le, logic.gt, logic.ge))
bitwise_and, bitwise_or = _binary(logic.bitwise_and), _binary(logic.bitwise_or)
bitwise_xor = _binary(logic.bitwise_xor)
bitwise_left_shift = _binary(logic.bitwise_left_shift)
bitwise_right_shift = _binary(logic.bitwise_right_shift)


@public(in_place=True)
def bitwise_not(input: Tensor) -> Tensor:
    """~input, for bools and integers."""
    return logic.bitwise_not(input)


@public()
def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """`input` where the condition holds, `other` elsewhere."""
    return logic.where(condition, input, other)


@public()
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are equal."""
    return bool(np.array_equal(input._array, other._array))


@public()
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |input - other| <= atol + rtol * |other| everywhere."""
    if input._array.dtype != other._array.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    return bool(np.allclose(input._array, other._array, rtol, atol, equal_nan))
