"""Tensors as other things: numbers, lists, arrays, text, copies."""

import copy
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import numpy as np

from dtrain.autograd import dtypes, printing
from dtrain.autograd.node import Node
from dtrain.autograd.value import Array, Value

Made = TypeVar("Made", bound=Value)


class Converting(Value):
    """The part of Tensor that makes something else of it."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def grad_fn(self) -> Node | None: ...

    def item(self) -> Any:
        """The value of a tensor of one element, as a Python number."""
        if self._array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self._array.size} elements cannot be converted to Scalar"
            )
        return self._array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._array.tolist()

    def numpy(self, *, force: bool = False) -> Array:
        """The array itself, not a copy. Raises RuntimeError for a tensor that requires grad, unless
        `force`."""
        if self.wants_grad() and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. "
                "Use tensor.detach().numpy() instead."
            )
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise RuntimeError(
                f"Boolean value of Tensor with {'more than one' if self._array.size else 'no'} "
                f"value{'' if self._array.size else 's'} is ambiguous"
            )
        return bool(self._array)

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __index__(self) -> int:
        if self._array.dtype.kind == "f" or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._array.item())

    def _number(self) -> Any:
        if self._array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self._array.item()

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if self._array.ndim else format(self._array.item(), spec)

    def __repr__(self) -> str:
        notes = ["requires_grad=True"] if self.wants_grad() else []
        try:
            notes = notes if self.grad_fn is None else [f"grad_fn=<{self.grad_fn.label}>"]
        except RuntimeError:  # a view whose history is not known
            notes = ["grad_fn=<Invalid>"]
        return printing.text(self._array, notes, default_float=dtypes.default_dtype())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A leaf of its own, with a copy of the gradient. Raises RuntimeError for a result."""
        if self._node is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment."
            )
        made = _remake(type(self), self._array.copy("K"), self._requires_grad)
        memo[id(self)] = made
        made._grad = copy.deepcopy(self._grad, memo)
        _set_attributes(made, copy.deepcopy(_attributes(self), memo))
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle` and `copy.copy`: without its gradient and its place in a graph."""
        return _remake, (type(self), self._array, self.wants_grad()), _attributes(self) or None


def _remake(kind: type[Made], array: Array, requires_grad: bool) -> Made:
    return cast(Made, Value.result(array, requires_grad, kind))


def _attributes(value: Value) -> dict[str, Any]:
    """What a user has put on a Parameter, say; a Tensor has no room for it."""
    return getattr(value, "__dict__", {})


def _set_attributes(value: Value, attributes: dict[str, Any]) -> None:
    for name, each in attributes.items():
        setattr(value, name, each)
