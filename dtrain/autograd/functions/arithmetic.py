# mypy: disable-error-code="no-any-return"
"""Arithmetic of two, element by element."""

import builtins
from typing import Any

from dtrain.autograd import dtypes
from dtrain.autograd.functions import comparison
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.ops import elementwise, rounding
from dtrain.autograd.tensor import Tensor

__all__ = [
    "add", "addcdiv", "addcmul", "div", "divide", "float_power", "floor_divide", "fmod", "lerp",
    "mul", "multiply", "pow", "remainder", "square", "sub", "subtract", "true_divide",
]  # fmt: skip


def _scaled(other: Any, alpha: Any) -> Any:
    return other if alpha == 1 else other * alpha


@public(in_place=True)
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    return elementwise.add(input, _scaled(other, alpha))


@public(in_place=True)
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other."""
    return elementwise.sub(input, _scaled(other, alpha))


@public(in_place=True)
def mul(input: Any, other: Any) -> Tensor:
    """input * other."""
    return elementwise.mul(input, other)


@public(in_place=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounded towards zero ("trunc") or down ("floor") if told so."""
    if rounding_mode is None:
        return elementwise.div(input, other)
    if rounding_mode == "floor":
        return elementwise.floor_divide(input, other)
    if rounding_mode == "trunc":
        return rounding.trunc_divide(input, other)
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


@public(in_place=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """input / other, rounded down."""
    return elementwise.floor_divide(input, other)


@public(in_place=True)
def remainder(input: Any, other: Any) -> Tensor:
    """input - other * floor(input / other): Python's %."""
    return elementwise.remainder(input, other)


@public(in_place=True)
def fmod(input: Any, other: Any) -> Tensor:
    """input - other * trunc(input / other), with the sign of the input."""
    return rounding.fmod(input, other)


@public(in_place=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent."""
    return elementwise.pow_(input, exponent)


@public(in_place=True)
def square(input: Tensor) -> Tensor:
    """input ** 2."""
    return pow(input, 2)


@public()
def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent in float64."""
    base, power = (
        each.to(dtypes.float64) if isinstance(each, Tensor) else float(each)
        for each in (input, exponent)
    )
    return elementwise.pow_(base, power)


@public(in_place=True)
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input), counted from the nearer end."""
    difference = end - input
    near = input + weight * difference
    far = end - difference * (1 - weight)
    if isinstance(weight, Tensor):
        return comparison.where(weight.abs() < 0.5, near, far)
    return near if builtins.abs(weight) < 0.5 else far


@public(in_place=True)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    return input + value * tensor1 * tensor2


@public(in_place=True)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    return input + value * (tensor1 / tensor2)


for _name, _of in {
    "divide": "div", "multiply": "mul", "subtract": "sub", "true_divide": "div",
}.items():  # fmt: skip
    alias(_name, _of)
subtract, multiply, divide, true_divide = sub, mul, div, div
