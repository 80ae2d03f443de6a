"""Parameter: a tensor that a module knows as its own."""

from typing import Any

from dtrain.autograd.tensor import Tensor


class Parameter(Tensor):
    """A tensor that is trained: assigned to a module's attribute, it appears in `parameters()`."""

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data._array if isinstance(data, Tensor) else data)
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
