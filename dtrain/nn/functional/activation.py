# mypy: disable-error-code="no-any-return"
"""Activations, and the softmax family."""

from dtrain.autograd.tensor import Tensor

__all__ = ["log_softmax", "relu", "sigmoid", "softmax", "tanh"]


def relu(input: Tensor) -> Tensor:
    """max(x, 0), with gradient 0 at 0."""
    return input.relu()


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return input.tanh()


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e ** -x)."""
    return input.sigmoid()


def softmax(input: Tensor, dim: int) -> Tensor:
    """e ** x / sum e ** x along a dimension."""
    return input.softmax(dim)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """Logarithm of the softmax along a dimension."""
    return input.log_softmax(dim)
