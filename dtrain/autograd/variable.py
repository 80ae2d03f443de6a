"""Variable: a tensor, as scripts older than PyTorch 0.4 call one."""

from typing import Any

from dtrain.autograd.tensor import Tensor

__all__ = ["Variable"]


class _Variable:
    """`Variable(data)` is a tensor over the same memory; every tensor is a Variable."""

    def __call__(
        self, data: Any = None, requires_grad: bool = False, volatile: bool = False
    ) -> Tensor:
        """A leaf over a tensor's memory. Raises TypeError for what is no tensor."""
        if data is None:
            return Tensor().requires_grad_(requires_grad)
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, Tensor)

    def __repr__(self) -> str:
        return "<class 'torch.autograd.variable.Variable'>"


Variable = _Variable()
