# mypy: disable-error-code="no-any-return"
"""Functions of tensors that modules are made of: PyTorch's `nn.functional`."""

import warnings
from typing import Any

from dtrain.autograd.ops import linalg
from dtrain.autograd.ops import loss as losses
from dtrain.autograd.tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias.

    Shapes:  input (..., k);  weight (m, k);  bias (m);  result (..., m).
    Raises:  RuntimeError if the shapes above do not hold or dtypes differ.
    """
    return linalg.linear(input, weight) if bias is None else linalg.linear(input, weight, bias)


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


def cross_entropy(
    input: Tensor, target: Tensor, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Softmax cross entropy of class scores and class labels, in nats.

    Shapes:  input (c), (n, c) or (n, c, d1, ...);  target the same without c, int64 or uint8;
             result (), or that of target for reduction "none".
    Mean over the labels that are not `ignore_index`; nan if there are none, as in PyTorch.
    Raises:  IndexError for a label out of range; ValueError or RuntimeError for shapes or a dtype
             that do not fit.
    """
    return _by_rows(losses.cross_entropy, input, target, ignore_index, reduction)


def nll_loss(
    input: Tensor, target: Tensor, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Negative log likelihood of log probabilities: shapes and errors as for `cross_entropy`."""
    return _by_rows(losses.nll, input, target, ignore_index, reduction)


def _by_rows(op: Any, input: Tensor, target: Tensor, ignore_index: int, reduction: str) -> Tensor:
    """Bring scores to (n, c), classes last, and give the result the shape of the target."""
    if input.ndim < 1 or target.ndim != max(input.ndim - 1, 0):
        raise RuntimeError(
            f"input of shape {input.shape} needs a target with {max(input.ndim - 1, 0)} "
            f"dimension(s), not one of shape {target.shape}"
        )
    shape, labels = target.shape, target
    if input.ndim == 1:
        input, labels = input.unsqueeze(0), target.unsqueeze(0)
    elif input.ndim > 2:
        if input.shape[0] != shape[0]:
            raise ValueError(
                f"Expected input batch_size ({input.shape[0]}) to match "
                f"target batch_size ({shape[0]})."
            )
        if input.shape[2:] != shape[1:]:
            raise RuntimeError(f"target of shape {shape} does not fit input of {input.shape}")
        input = input.permute(0, *range(2, input.ndim), 1).reshape(-1, input.shape[1])
        labels = target.reshape(-1)
    out = op(input, labels, ignore_index=ignore_index, reduction=reduction)
    return out.reshape(shape) if reduction == "none" else out


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Mean, sum or each of (input - target) ** 2. Warns if the shapes differ, as PyTorch does."""
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=2,
        )
    difference = input - target
    squared = difference * difference
    match reduction:
        case "mean":
            return squared.mean()
        case "sum":
            return squared.sum()
        case "none":
            return squared
    raise ValueError(f"{reduction} is not a valid value for reduction")
