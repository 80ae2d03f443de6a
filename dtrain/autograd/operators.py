"""The operators of Tensor, and their in-place forms; and its methods, attached."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import number_of
from dtrain.autograd.functions.registry import FUNCTIONS, METHODS
from dtrain.autograd.inplace import in_place
from dtrain.autograd.ops import elementwise
from dtrain.autograd.tensor import Tensor, wrap

_OPERANDS = (Tensor, bool, int, float, np.ndarray, np.generic)
# Ops, without the functions' options: these are called most. Others come from the table.
_ARITHMETIC: dict[str, Any] = {
    "add": elementwise.add,
    "sub": elementwise.sub,
    "mul": elementwise.mul,
    "truediv": elementwise.div,
    "pow": elementwise.pow_,
    "matmul": "matmul",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
# Under the names, and with the inputs, that PyTorch shows where one operand is a number.
_BY_NUMBER = {"pow": elementwise.by_number}
_REFLECTED: dict[str, Any] = {
    "add": lambda number, tensor: elementwise.add(tensor, number),
    "mul": lambda number, tensor: elementwise.mul(tensor, number),
    "sub": elementwise.sub.called("RsubBackward1", only=1),
    "truediv": elementwise.div.called("MulBackward0", only=1),
    "pow": elementwise.of_number,
}
_UNARY = {"neg": "neg", "invert": "bitwise_not", "abs": "abs", "pos": "positive"}


def _operand(other: Any) -> Any:
    """What an op takes: NumPy's scalars become Python numbers, its arrays Tensors."""
    return wrap(other) if isinstance(other, np.ndarray) else number_of(other)


def _forward(
    function: Callable[..., Any], by_number: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    by_number = by_number or function

    def operator(self: Any, other: Any) -> Any:
        if isinstance(other, Tensor):
            return function(self, other)
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return by_number(self, _operand(other))

    return operator


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def operator(self: Any, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return function(_operand(other), self)

    return operator


def _equality(function: Callable[..., Any], otherwise: bool) -> Callable[..., Any]:
    """Equal to nothing that is no number: Python asks that of objects in containers."""

    def operator(self: Any, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return otherwise
        return function(self, _operand(other))

    return operator


def attach() -> None:
    """Give Tensor its operators and methods, out of the functions of the same meaning."""
    for name, source in _ARITHMETIC.items():
        function = FUNCTIONS[source] if isinstance(source, str) else source
        setattr(Tensor, f"__{name}__", _forward(function, _BY_NUMBER.get(name)))
        setattr(Tensor, f"__r{name}__", _reflected(_REFLECTED.get(name, function)))
        setattr(Tensor, f"__i{name}__", _forward(in_place(function)))
    for name in ("lt", "le", "gt", "ge"):
        setattr(Tensor, f"__{name}__", _forward(FUNCTIONS[name]))
    for name in ("eq", "ne"):
        setattr(Tensor, f"__{name}__", _equality(FUNCTIONS[name], name == "ne"))
    for name, source in _UNARY.items():
        setattr(Tensor, f"__{name}__", FUNCTIONS[source])
    for name, method in METHODS.items():
        setattr(Tensor, name, method)
