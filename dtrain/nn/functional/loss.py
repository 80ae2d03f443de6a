# mypy: disable-error-code="no-any-return"
"""Losses. The old arguments `size_average` and `reduce` rule `reduction`, with a warning."""

import math
import warnings
from typing import Any

import numpy as np

from dtrain.autograd.node import renamed
from dtrain.autograd.ops import pointwise
from dtrain.autograd.ops.logic import where
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.nn.functional.activation import logsigmoid
from dtrain.nn.functional.distance import bounded, common_shape
from dtrain.nn.functional.labels import cross_entropy, nll_loss
from dtrain.nn.functional.reduction import checked, chosen, reduced, require_constant, require_float

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy",
    "gaussian_nll_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss", "nll_loss",
    "poisson_nll_loss", "smooth_l1_loss",
]  # fmt: skip

# Of numbers


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean, sum or each of (input - target)**2; with weights of that shape, their weighted mean.

    Warns if the shapes differ, as PyTorch does. Raises RuntimeError if they do not broadcast,
    ValueError for a weight of another shape.
    """
    _compare_sizes(input, target)
    reduction = chosen(reduction, size_average, reduce)
    if weight is None and not (input.is_floating_point() or target.is_floating_point()):
        require_float(input, "mse_cpu")
    loss = pointwise.squared_error(input, target)
    return renamed(_averaged(loss, input, weight, reduction, True), "MseLossBackward0")


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean, sum or each of |input - target|. Weights, warning and errors as for `mse_loss`."""
    _compare_sizes(input, target)
    reduction = chosen(reduction, size_average, reduce)
    return _averaged((input - target).abs(), input, weight, reduction, True)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """With d = |input - target|: d**2 / (2 beta) below beta, d - beta / 2 above. RuntimeError for a
    negative beta. Source: Girshick 2015.
    """
    _compare_sizes(input, target)
    reduction = checked(reduction, size_average, reduce)
    if beta == 0:
        return reduced((input - target).abs(), reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    require_float(input, "smooth_l1_cpu")
    loss = pointwise.huber(input, target, delta=float(beta), scale=1.0 / beta)
    return renamed(reduced(loss, reduction), "SmoothL1LossBackward0")


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """With d = |input - target|: d**2 / 2 up to delta, delta * (d - delta / 2) beyond.

    Weights multiply the terms. RuntimeError for a delta <= 0; else as `mse_loss`.
    """
    _compare_sizes(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    require_float(input, "huber_cpu")
    loss = pointwise.huber(input, target, delta=float(delta))
    return renamed(_averaged(loss, input, weight, reduction, False), "HuberLossBackward0")


def _compare_sizes(input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def _averaged(
    loss: Any, input: Tensor, weight: Tensor | None, reduction: str, by_weight: bool
) -> Any:
    if weight is None:
        return reduced(loss, checked(reduction))
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'."
        )
    loss = loss * weight
    if by_weight and reduction == "mean":
        return loss.sum() / weight.sum()
    return reduced(loss, reduction)


# Of probabilities and distributions


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-w * (t log x + (1 - t) log(1 - x)), both logarithms at least -100.

    Shapes:  input and target the same, in [0, 1];  weight broadcasts to that.
    Raises:  ValueError for two shapes, RuntimeError for numbers outside [0, 1] or two dtypes.
    """
    reduction = checked(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )
    require_float(input, "binary_cross_entropy")
    if target.dtype != input.dtype:
        raise RuntimeError(f"Found dtype {target._array.dtype} but expected {input._array.dtype}")
    for name, tensor in (("input", input), ("target", target)):
        array = tensor._array
        if not ((array >= 0) & (array <= 1)).all():
            raise RuntimeError(f"all elements of {name} should be between 0 and 1")
    loss = pointwise.binary_entropy(input, target)
    loss = reduced(_weighted(loss, weight, "binary_cross_entropy"), reduction)
    return renamed(loss, "BinaryCrossEntropyBackward0")


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), without overflow: w * (-p * t * log sigmoid(x) -
    (1 - t) * log sigmoid(-x)), with p = pos_weight.

    Shapes:  input and target the same;  weight and pos_weight broadcast to that.
    Raises:  ValueError for two shapes, RuntimeError if the weights do not broadcast.
    """
    reduction = checked(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    require_float(input, "log_sigmoid_cpu")
    if not target.is_floating_point():
        raise RuntimeError(
            f"result type {input._array.dtype} can't be cast to the desired output type "
            f"{target._array.dtype}"
        )
    name = "binary_cross_entropy_with_logits"
    if pos_weight is None:
        loss = pointwise.binary_entropy_of_logits(input, target)
    else:
        require_constant(pos_weight, name, "pos_weight")
        share = (pos_weight - 1) * target + 1
        loss = (1 - target) * input - share * logsigmoid(input)
    loss = reduced(_weighted(loss, weight, name), reduction)
    return renamed(loss, "BinaryCrossEntropyWithLogitsBackward0")


def _weighted(loss: Any, weight: Tensor | None, function: str) -> Any:
    if weight is None:
        return loss
    require_constant(weight, function, "weight")
    shape = common_shape(loss, weight)
    if shape != loss.shape:
        raise RuntimeError(
            f"output with shape {list(loss.shape)} doesn't match the broadcast shape {list(shape)}"
        )
    return loss * weight.to(loss.dtype)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence: t * (log t - input), of log probabilities `input`; with
    `log_target` of log t too.

    Reduction "batchmean" divides the sum by the size of the first dimension; "mean", with a
    warning, by the number of elements. Raises RuntimeError for integers.
    """
    if size_average is None and reduce is None and reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
            "release.",
            stacklevel=2,
        )
    by_batch = reduction == "batchmean"
    reduction = checked("sum" if by_batch else reduction, size_average, reduce)
    if not (input.is_floating_point() and target.is_floating_point()):
        raise RuntimeError("kl_div: Integral inputs not supported.")
    loss = reduced(pointwise.divergence(input, target, log_target=log_target), reduction)
    return loss / input.shape[0] if by_batch and input.ndim else loss


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target * input, or input - target * log(input + eps) without `log_input`.

    `full` adds Stirling's approximation of log(target!) where target > 1.
    """
    reduction = checked(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        above = where(target > 1, target, 1.0)
        stirling = target * above.log() - target + (2 * math.pi * above).log() * 0.5
        loss = loss + where(target > 1, stirling, 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (input - target)**2 / v) / 2 with v = max(var, eps); `full` adds log(2 pi) / 2.

    Shapes:  input and target the same;  var that too, or without the last dimension, or with one
             dimension of size 1, or a float.
    Backward takes no notice of the bound eps. Raises ValueError for a negative var or its shape.
    Source:  Nix and Weigend 1994.
    """
    spread = bounded(_variance(input, var), eps)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    loss = 0.5 * (spread.log() + (input - target) ** 2 / spread)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


def _variance(input: Tensor, var: Tensor | float) -> Any:
    """The variances, in a shape that broadcasts to the input's."""
    if isinstance(var, float):
        var = wrap(np.full(input.shape, var, input._array.dtype))
    elif not isinstance(var, Tensor):
        raise TypeError(f"var has to be a Tensor or a float, not {type(var).__name__}")
    if (var._array < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.shape == input.shape:
        return var
    if var.shape == input.shape[:-1]:
        return var.unsqueeze(-1)
    pairs = zip(input.shape, var.shape, strict=False)
    if input.ndim != var.ndim or sum(theirs for own, theirs in pairs if own != theirs) != 1:
        raise ValueError("var is of incorrect size")
    return var
