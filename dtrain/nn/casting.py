"""Modules in another dtype."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from dtrain.autograd.device import require_cpu
from dtrain.autograd.functions.casting import destination
from dtrain.autograd.functions.creation import zeros_like
from dtrain.autograd.modes import no_grad
from dtrain.autograd.tensor import Tensor
from dtrain.nn.tree import Tree


class Casting(Tree):
    """A module whose tensors can be replaced, all in the same way."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Put fn(x) in the place of every parameter, gradient and buffer x.

        Parameters and gradients stay the objects that they are, and get the memory of the result.
        """
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for parameter in self._parameters.values():
                if parameter is not None:
                    _replace(parameter, fn(parameter))
                    if parameter.grad is not None:
                        _replace(parameter.grad, fn(parameter.grad))
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Cast floating-point parameters and buffers: `to(dtype)`, `to(device, dtype)`,
        `to(other_tensor)`, positionally or by name.

        Raises TypeError for a dtype that is not floating, AssertionError for a device but the CPU.
        """
        if "tensor" in kwargs:
            args = (*args, kwargs.pop("tensor"))
        dtype, _ = destination(*args, **kwargs)
        if dtype is None:
            return self
        if dtype.kind != "f":
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype=torch.{dtype.name}"
            )
        return self._cast(dtype)

    def float(self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        return self._cast(np.dtype(np.float32))

    def double(self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        return self._cast(np.dtype(np.float64))

    def half(self) -> Self:
        """Cast floating-point parameters and buffers to float16."""
        return self._cast(np.dtype(np.float16))

    def bfloat16(self) -> Self:
        """Raises TypeError: NumPy, and so dtrain, has no bfloat16."""
        raise TypeError("dtrain has no bfloat16, because NumPy has none; use float() or half()")

    def type(self, dst_type: Any) -> Self:
        """Cast all parameters and buffers, integers too."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def cpu(self) -> Self:
        """Itself: every tensor is on the CPU."""
        return self

    def cuda(self, device: Any = None) -> Self:
        """Raises AssertionError: there is only the CPU."""
        return self.to("cuda" if device is None else f"cuda:{device}")

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Replace parameters and buffers by zeros of their shape, for a loading that follows."""
        require_cpu(device)
        return self._apply(zeros_like, recurse)

    def _cast(self, dtype: np.dtype[Any]) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)


def _replace(tensor: Tensor, other: Tensor) -> None:
    if other is not tensor:
        if other.dtype != tensor.dtype:
            tensor._grad_home = None
        tensor.data = other
