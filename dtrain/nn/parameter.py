"""Parameter and Buffer: tensors that a module knows as its own."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from dtrain.autograd.functions.creation import empty
from dtrain.autograd.tensor import Tensor, wrap

__all__ = ["Buffer", "Parameter", "fresh", "write"]


class Parameter(Tensor):
    """A tensor that is trained: assigned to a module's attribute, it appears in `parameters()`.

    It shares the memory of `data`, a tensor or an array, but not its place in a graph. Raises
    RuntimeError for integers that are to require a gradient.
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Self:
        array = _array_of(data)
        if requires_grad and array.dtype.kind != "f":
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        made = wrap(array, requires_grad, cls)
        return made  # type: ignore[return-value]  # it is of the kind it was asked to be

    def __deepcopy__(self, memo: dict[int, Any]) -> "Parameter":
        """A parameter with a copy of the values, and without the gradient, as in PyTorch."""
        made = type(self)(np.array(self._array, order="C"), self.requires_grad)
        memo[id(self)] = made
        return made

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that belongs to a module but is not trained: an attribute assigned is registered.

    `persistent` and `rule` are those of `Module.register_buffer`.
    """

    persistent: bool
    rule: str | None

    def __new__(cls, data: Any = None, *, persistent: bool = True, rule: str | None = None) -> Self:
        made: Any = wrap(_array_of(data), kind=cls)
        made.persistent, made.rule = persistent, rule
        return made  # type: ignore[no-any-return]


def _array_of(data: Any) -> Any:
    if data is None:
        data = empty(0)
    return data._array if isinstance(data, Tensor) else np.asarray(data)


def fresh(shape: Sequence[int], device: Any = None, dtype: Any = None) -> Parameter:
    """A parameter of zeros, to be initialised. Raises AssertionError for a device but the CPU."""
    return Parameter(empty(tuple(shape), dtype=dtype, device=device))


def write(tensor: Tensor, values: Any) -> None:
    """Put values where a tensor's are, unrecorded; they are cast to its dtype."""
    tensor._array[...] = values
    tensor._bump()
