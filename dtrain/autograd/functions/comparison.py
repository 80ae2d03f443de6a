# mypy: disable-error-code="no-any-return"
"""Comparisons, logic, and choice by a condition."""

from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import number_of, tensor_of, tensors_of
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.ops import logic
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "eq", "equal", "ge", "greater", "greater_equal", "gt",
    "isclose", "le", "less", "less_equal", "logical_and", "logical_not", "logical_or",
    "logical_xor", "lt", "ne", "not_equal", "where",
]  # fmt: skip


def _comparison(op: Any) -> Any:
    def function(input: Tensor, other: Any) -> Any:
        return op(tensor_of(input, who=op.name), other)

    return _declared(function, op)


def _binary(op: Any) -> Any:
    def function(input: Any, other: Any) -> Any:
        if not isinstance(input, Tensor):
            tensors_of(op.name, other)
        return op(input, other)

    return _declared(function, op)


def _declared(function: Any, op: Any) -> Any:
    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.__doc__
    return public(in_place=True)(function)


eq, ne, lt = _comparison(logic.eq), _comparison(logic.ne), _comparison(logic.lt)
le, gt, ge = _comparison(logic.le), _comparison(logic.gt), _comparison(logic.ge)
bitwise_and, bitwise_or = _binary(logic.bitwise_and), _binary(logic.bitwise_or)
bitwise_xor = _binary(logic.bitwise_xor)
bitwise_left_shift = _binary(logic.bitwise_left_shift)
bitwise_right_shift = _binary(logic.bitwise_right_shift)


@public(in_place=True)
def bitwise_not(input: Tensor) -> Tensor:
    """~input, for bools and integers."""
    return logic.bitwise_not(input)


@public(method=False)
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition holds, `other` elsewhere; the indices of True without these."""
    tensors_of("where", condition)
    if input is None and other is None:
        return tuple(wrap(indices) for indices in np.nonzero(np.atleast_1d(condition._array)))
    if condition._array.dtype == np.uint8:  # PyTorch's bools of old
        condition = condition != 0
    if condition._array.dtype != bool:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{condition.dtype}"
        )
    return logic.where(condition, number_of(input), number_of(other))


@public(function=False, name="where")
def where_method(input: Tensor, condition: Tensor, other: Any) -> Tensor:
    """`input` where the condition holds, `other` elsewhere."""
    return where(condition, input, other)


def _truth(value: Any) -> Any:
    return value if value._array.dtype == bool else value != 0


@public(in_place=True)
def logical_not(input: Tensor) -> Tensor:
    """Whether it is zero."""
    return logic.eq(input, 0)


@public(in_place=True)
def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both are nonzero."""
    return logic.bitwise_and(_truth(input), _truth(other))


@public(in_place=True)
def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether one is nonzero."""
    return logic.bitwise_or(_truth(input), _truth(other))


@public(in_place=True)
def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether just one is nonzero."""
    return logic.bitwise_xor(_truth(input), _truth(other))


@public()
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether |input - other| <= atol + rtol * |other|, element by element."""
    if input._array.dtype != other._array.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    if rtol < 0 or atol < 0:
        name, value = ("rtol", rtol) if rtol < 0 else ("atol", atol)
        raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    return wrap(np.isclose(input._array, other._array, rtol, atol, equal_nan))


@public()
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are equal."""
    return bool(np.array_equal(input._array, other._array))


@public()
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |input - other| <= atol + rtol * |other| everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


for _name, _of in {
    "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne",
}.items():  # fmt: skip
    alias(_name, _of)
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
