# mypy: disable-error-code="no-any-return"
"""Arithmetic and functions, element by element."""

from collections.abc import Callable
from typing import Any

from dtrain.autograd.functions.arguments import tensor_of
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.op import Op
from dtrain.autograd.ops import elementwise
from dtrain.autograd.tensor import Tensor

__all__ = [
    "abs", "absolute", "add", "div", "divide", "exp", "floor_divide", "log", "maximum", "minimum",
    "mul", "multiply", "neg", "negative", "positive", "pow", "relu", "remainder", "sigmoid", "sign",
    "sqrt", "square", "sub", "subtract", "tanh", "true_divide",
]  # fmt: skip


def unary(op: Op, name: str | None = None) -> Callable[..., Any]:
    """The function, method and in-place method of an op of one input."""
    known = name or op.name

    def function(input: Tensor) -> Any:
        return op(tensor_of(input, who=known))

    function.__name__ = function.__qualname__ = known
    function.__doc__ = op.__doc__
    return public(in_place=True)(function)


abs = unary(elementwise.abs_)
exp = unary(elementwise.exp)
log = unary(elementwise.log)
neg = unary(elementwise.neg)
relu = unary(elementwise.relu)
sigmoid = unary(elementwise.sigmoid)
sign = unary(elementwise.sign)
sqrt = unary(elementwise.sqrt)
tanh = unary(elementwise.tanh)


@public()
def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    if input._array.dtype == bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


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
def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent."""
    return elementwise.pow_(input, exponent)


@public(in_place=True)
def square(input: Tensor) -> Tensor:
    """input ** 2."""
    return pow(input, 2)


@public()
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The greater of two, element by element."""
    return elementwise.maximum(input, other)


@public()
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The lesser of two, element by element."""
    return elementwise.minimum(input, other)


for _name, _of in {
    "absolute": "abs", "negative": "neg", "subtract": "sub", "multiply": "mul", "divide": "div",
    "true_divide": "div",
}.items():  # fmt: skip
    alias(_name, _of)
absolute, negative, subtract, multiply, divide, true_divide = abs, neg, sub, mul, div, div
