"""Flatten."""

from dtrain.autograd.tensor import Tensor
from dtrain.nn.module import Module

__all__ = ["Flatten"]


class Flatten(Module):
    """Dimensions start_dim ... end_dim joined into one; by default all but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """See `Tensor.flatten`."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
