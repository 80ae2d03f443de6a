# mypy: disable-error-code="no-any-return"
"""Losses that ask for a margin: between scores, between distances, on the right side of 0."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd.ops import elementwise
from dtrain.autograd.ops.logic import eq, ne, where
from dtrain.autograd.ops.shape import index, take_along
from dtrain.autograd.ops.special import log1p
from dtrain.autograd.tensor import Tensor
from dtrain.nn.functional.activation import logsigmoid
from dtrain.nn.functional.distance import pairwise_distance
from dtrain.nn.functional.reduction import checked, chosen, reduced, require_float

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "soft_margin_loss",
    "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip

_EPS = float(np.float32(1e-12))  # PyTorch's, which is rounded to float32 for all dtypes


def _positive(x: Any) -> Any:
    """max(x, 0), with PyTorch's gradient of `clamp_min`: 1 at 0."""
    return where(x < 0, 0.0, x)


# Of pairs and triplets


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1."""
    reduction = checked(reduction, size_average, reduce)
    apart = where(ne(target, 1), _positive(margin - input), 0.0)
    return reduced(apart + where(ne(target, -1), input, 0.0), reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin), with a target of 1 or -1.

    Raises RuntimeError unless all three have the same number of dimensions.
    """
    reduction = checked(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced(_positive(-target * (input1 - input2) + margin), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1.

    Shapes:  inputs (n, d), target (n); or (d) and ().  Raises RuntimeError for others.
    """
    reduction = checked(reduction, size_average, reduce)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    squares = [(each * each).sum(-1) + _EPS for each in (input1, input2)]
    cosine = (input1 * input2).sum(-1) / (squares[0] * squares[1]).sqrt()
    near = where(eq(target, 1), 1 - cosine, 0.0)
    return reduced(near + where(eq(target, -1), _positive(cosine - margin), 0.0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), of `pairwise_distance`.

    `swap` takes d(positive, negative) for the latter where it is less. ValueError for a margin
    <= 0, RuntimeError for shapes that do not fit. Source: Balntas et al. 2016.
    """
    reduction = checked(reduction, size_average, reduce)

    def distance(x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, p, eps)

    return _triplet((anchor, positive, negative), distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own, `pairwise_distance` by default."""
    distance = distance_function or pairwise_distance
    return _triplet((anchor, positive, negative), distance, margin, swap, checked(reduction))


def _triplet(
    triplet: tuple[Tensor, Tensor, Tensor], distance: Any, margin: float, swap: bool, reduction: str
) -> Tensor:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    anchor, positive, negative = triplet
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    far = distance(anchor, negative)
    if swap:
        far = elementwise.minimum(far, distance(positive, negative))
    return reduced(_positive(margin + distance(anchor, positive) - far), reduction)


# Of classes


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)), with a target of 1 or -1."""
    reduction = checked(reduction, size_average, reduce)
    return reduced(log1p((-target * input).exp()), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean over the last dimension, the classes, of w * the binary cross entropy of logits.

    ValueError for a reduction that does not exist.
    """
    reduction = chosen(reduction, size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.shape[-1], reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """w[y] * sum over the classes but y of max(0, margin - x[y] + x[c])**p, over their number.

    Shapes:  input (n, c) or (c);  target (n), or () or (1), int64;  weight (c);  result () or (n).
    Raises:  ValueError for a p other than 1 and 2; RuntimeError for shapes, dtypes or labels that
             do not fit.
    """
    reduction = checked(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    require_float(input, "multi_margin_loss")
    rows = _rows(input)
    classes = rows.shape[1]
    weight_c = None if weight is None else _class_weight(weight, classes, input)
    label_n = _labels(target)
    if target.ndim > 1 or label_n.size != rows.shape[0]:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input "
            f"samples (batch size). Expected target size [{rows.shape[0]}], but got "
            f"{list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if ((label_n < 0) | (label_n >= classes)).any():
        raise RuntimeError("target out of range")
    key = (np.arange(len(label_n)), label_n)
    gap = elementwise.relu(rows - index(rows, key=key).unsqueeze(1) + margin)
    others = np.ones(rows.shape, bool)
    others[key] = False
    loss = where(others, gap * gap if p == 2 else gap, 0.0).sum(1) / classes
    if weight_c is not None:
        loss = loss * weight_c[label_n]
    return _finished(loss, reduction, not input.ndim or (input.ndim == 1 and not target.ndim))


def _class_weight(weight: Tensor, classes: int, input: Tensor) -> Tensor:
    if weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    if weight.numel() != classes:
        raise RuntimeError(
            f"inconsistent weight size, expected {classes} but got {list(weight.shape)}"
        )
    if weight.dtype != input.dtype:
        raise RuntimeError(
            f"expected scalar type {input._array.dtype} but found {weight._array.dtype}"
        )
    return weight


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Sum over targets y and other classes c of max(0, 1 - (x[y] - x[c])), over all classes.

    Shapes:  input (n, c) or (c);  target the same, int64: the targets of a row are its entries up
             to the first -1;  result () or (n).
    Raises:  RuntimeError for shapes, dtypes or labels that do not fit.
    """
    reduction = checked(reduction, size_average, reduce)
    require_float(input, "multilabel_margin_loss")
    rows = _rows(input)
    if target.shape != input.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    label_nc = _labels(target).reshape(rows.shape)
    if ((label_nc < -1) | (label_nc >= rows.shape[1])).any():
        raise RuntimeError("argument #2 'target' is out of range")
    listed_nc = np.logical_and.accumulate(label_nc >= 0, axis=1)
    key_nc = np.where(listed_nc, label_nc, 0)
    targets = np.zeros(rows.shape, np.int64)
    np.add.at(targets, (np.arange(len(rows))[:, None], key_nc), listed_nc)
    scores = take_along(rows, indices=key_nc, axis=1)
    gap = elementwise.relu(1 - (scores.unsqueeze(2) - rows.unsqueeze(1)))
    counts = listed_nc[:, :, None] & (targets == 0)[:, None, :]
    loss = where(counts, gap, 0.0).sum((1, 2)) / rows.shape[1]
    return _finished(loss, reduction, input.ndim < 2)


def _rows(input: Tensor) -> Tensor:
    """A vector of scores as a batch of one."""
    if input.ndim > 2 or (input.ndim and not input.shape[-1]):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    return input if input.ndim == 2 else input.reshape(1, -1)


def _labels(target: Tensor) -> Any:
    if target.dtype != np.int64:
        raise RuntimeError(f"expected scalar type Long but found {target._array.dtype}")
    return target._array.reshape(-1)


def _finished(loss: Tensor, reduction: str, single: bool) -> Tensor:
    """The loss of a batch, or of the one sample that was given as a vector."""
    if single and reduction == "none":
        return loss.reshape(())
    return loss.sum() if reduction == "mean" and not loss.numel() else reduced(loss, reduction)
