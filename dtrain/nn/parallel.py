"""Modules that PyTorch wraps others in to use several devices."""

from typing import Any, NoReturn

from dtrain.distributed import INSTEAD
from dtrain.nn.module import Module

__all__ = ["DataParallel", "DistributedDataParallel"]


class DataParallel(Module):
    """A module spread over GPUs; without one, as here, the module itself, at `module`."""

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.dim = dim
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module returns."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Raises RuntimeError: dtrain has its own way."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"there is no DistributedDataParallel: {INSTEAD}")
