# mypy: disable-error-code="no-any-return"
"""Losses."""

import warnings
from typing import Any

from dtrain.autograd.ops import loss as losses
from dtrain.autograd.tensor import Tensor

__all__ = ["cross_entropy", "mse_loss", "nll_loss"]


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
