# mypy: disable-error-code="no-any-return"
"""Arithmetic of two, element by element."""

import builtins
from typing import Any

import numpy as np

from dtrain.autograd import dtypes
from dtrain.autograd.functions import comparison
from dtrain.autograd.functions.arguments import number_of, tensor_of, tensors_of
from dtrain.autograd.functions.creation import tensor
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.inplace import in_place
from dtrain.autograd.ops import elementwise, rounding
from dtrain.autograd.tensor import Tensor

__all__ = [
    "add", "addcdiv", "addcmul", "div", "divide", "float_power", "floor_divide", "fmod", "ldexp",
    "lerp", "mul", "multiply", "pow", "remainder", "rsub", "square", "sub", "subtract",
    "true_divide",
]  # fmt: skip


def _scaled(input: Any, other: Any, alpha: Any) -> Any:
    """alpha * other. Raises RuntimeError for a float times integers."""
    if alpha == 1:
        return other
    if isinstance(alpha, float) and not any(
        each.is_floating_point() for each in (input, other) if isinstance(each, Tensor)
    ):
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    return other * number_of(alpha)


def _pair(input: Any, other: Any) -> tuple[Any, Any]:
    """Two operands; the first is a tensor if both are numbers."""
    if isinstance(input, Tensor):
        return input, other if isinstance(other, Tensor) else number_of(other)
    return number_of(input) if isinstance(other, Tensor) else tensor(input), number_of(other)


def _require_one(who: str, input: Any, other: Any) -> None:
    """Raises TypeError if no operand is a Tensor."""
    if not isinstance(other, Tensor):
        tensors_of(who, input)


@public(in_place=True)
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    return elementwise.add(*_pair(input, _scaled(input, other, alpha)))


@public(in_place=True)
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other."""
    return elementwise.sub(*_pair(input, _scaled(input, other, alpha)))


@public(method=False)
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * input."""
    tensors_of("rsub", input)
    return sub(other, input, alpha=alpha)


@public(in_place=True)
def mul(input: Any, other: Any) -> Tensor:
    """input * other."""
    return elementwise.mul(*_pair(input, other))


@public(in_place=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounded towards zero ("trunc") or down ("floor") if told so."""
    if rounding_mode is None:
        return elementwise.div(*_pair(input, other))
    if rounding_mode == "floor":
        return elementwise.floor_divide(*_pair(input, other))
    if rounding_mode == "trunc":
        return rounding.trunc_divide(*_pair(input, other))
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


@public(in_place=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """input / other, rounded down. Raises RuntimeError for an integer divided by 0."""
    return elementwise.floor_divide(*_pair(input, other))


@public(in_place=True)
def remainder(input: Any, other: Any) -> Tensor:
    """input - other * floor(input / other): Python's %."""
    _require_one("remainder", input, other)
    return elementwise.remainder(*_pair(input, other))


@public(in_place=True)
def fmod(input: Tensor, other: Any) -> Tensor:
    """input - other * trunc(input / other), with the sign of the input."""
    return rounding.fmod(tensor_of(input, who="fmod"), number_of(other))


@public(in_place=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent."""
    _require_one("pow", input, exponent)
    base, power = _pair(input, exponent)
    if not isinstance(power, Tensor):
        return elementwise.by_number(base, power)
    return (elementwise.pow_ if isinstance(base, Tensor) else elementwise.of_number)(base, power)


@public(in_place=True)
def square(input: Tensor) -> Tensor:
    """input ** 2."""
    return pow(input, 2)


@public()
def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent in float64."""
    _require_one("float_power", input, exponent)
    base, power = (
        each.to(dtypes.float64) if isinstance(each, Tensor) else float(each)
        for each in (input, exponent)
    )
    return elementwise.pow_(base, power)


@public(function=False)
def float_power_(input: Tensor, exponent: Any) -> Tensor:
    """`float_power` in place, for float64."""
    if input._array.dtype != np.float64:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {input.dtype} but the operation's result "
            "requires dtype Double"
        )
    return in_place(float_power)(input, exponent)


@public(in_place=True)
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2 ** other."""
    tensors_of("ldexp", input, other)
    return input * elementwise.pow_(2.0, other)


@public(in_place=True)
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input), counted from the nearer end."""
    tensors_of("lerp", input, end)
    for each in (end, weight):
        if isinstance(each, Tensor) and each._array.dtype != input._array.dtype:
            raise RuntimeError(f"expected dtype {input.dtype} for `end` but got dtype {each.dtype}")
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
    """input + value * tensor1 / tensor2. Raises RuntimeError for a quotient of integers."""
    if tensor1._array.dtype.kind != "f" and tensor2._array.dtype.kind != "f":
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future release "
            "addcdiv will perform a true division of tensor1 and tensor2."
        )
    return input + value * (tensor1 / tensor2)


for _name, _of in {
    "divide": "div", "multiply": "mul", "subtract": "sub", "true_divide": "div",
}.items():  # fmt: skip
    alias(_name, _of)
subtract, multiply, divide, true_divide = sub, mul, div, div
