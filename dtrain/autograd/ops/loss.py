"""Softmax and the losses built on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import canonical, floating
from dtrain.autograd.op import fused, op
from dtrain.autograd.ops.elementwise import exp
from dtrain.autograd.ops.reduce import sum_
from dtrain.autograd.ops.shape import index
from dtrain.autograd.value import Array


@op(
    prepare=floating,
    x=lambda g, out, axis: g - exp(out) * sum_(g, axis=axis, keepdims=True),
)
def log_softmax(x: Array, *, axis: int = -1) -> Any:
    """log(e**x / sum e**x) along an axis, without overflow."""
    z = x - x.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


@op(
    prepare=floating,
    x=lambda g, out, axis: out * (g - sum_(g * out, axis=axis, keepdims=True)),
)
def softmax(x: Array, *, axis: int = -1) -> Any:
    """e**x / sum e**x along an axis, without overflow."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _reduce(loss_n: Any, weight: Any, reduction: str) -> Any:
    """PyTorch's three reductions; a mean over no weight is nan, as 0 / 0."""
    if reduction == "none":
        return loss_n
    total = loss_n.sum()
    return total if reduction == "sum" else total / weight


def _nll_formula(
    log_nc: Any, label_n: Array, *, reduction: str = "mean", ignore_index: int = -100
) -> Any:
    counted_n = label_n != ignore_index
    key = (np.arange(len(label_n)), np.where(counted_n, label_n, 0))
    loss_n = -index(log_nc, key=key) * counted_n
    return _reduce(loss_n, float(counted_n.sum()), reduction)


def _cross_entropy_formula(logits_nc: Any, label_n: Array, **options: Any) -> Any:
    return _nll_formula(log_softmax(logits_nc, axis=1), label_n, **options)


@fused("logits_nc", formula=_cross_entropy_formula)
def cross_entropy(
    logits_nc: Array, label_n: Array, *, reduction: str = "mean", ignore_index: int = -100
) -> tuple[Any, Any]:
    """Softmax cross entropy, in nats.

        loss[n] = log sum_c exp z[n,c]  -  z[n, label[n]],  0 where label[n] is ignore_index

    Shapes:  logits_nc (n, c) float;  label_n (n) int64 or uint8 in [0, c);  result () or (n).
    Reduction: "none"; "sum"; "mean": the sum over the number of labels that are not ignored.
    Gradient: (softmax(z) - onehot(label)) / that number, for logits; none for labels.
    Raises:  IndexError for a label out of range, RuntimeError for labels of another dtype,
             ValueError for shapes or a reduction that do not hold.
    Source:  Bishop 2006, section 4.3.4, eq. 4.108 and 4.109.
    """
    counted_n = check_labels(logits_nc, label_n, reduction, ignore_index)
    row_n, label_n = np.arange(len(label_n)), np.where(counted_n, label_n, 0)
    logits_nc = canonical(logits_nc)
    z_nc = logits_nc - logits_nc.max(axis=1, keepdims=True)  # same loss, no overflow
    exp_nc = np.exp(z_nc)
    total_n = exp_nc.sum(axis=1)
    loss_n = np.where(counted_n, np.log(total_n) - z_nc[row_n, label_n], 0)
    weight = logits_nc.dtype.type(counted_n.sum())

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array, None]:
        g_n = np.where(counted_n, g / weight if reduction == "mean" else g, 0)
        d_nc = exp_nc / total_n[:, None]
        d_nc[row_n, label_n] -= 1
        d_nc *= g_n[:, None]
        return d_nc, None

    return _reduce(loss_n, weight, reduction), backward


@fused("log_nc", formula=_nll_formula)
def nll(
    log_nc: Array, label_n: Array, *, reduction: str = "mean", ignore_index: int = -100
) -> tuple[Any, Any]:
    """Negative log likelihood: -log_nc[n, label[n]], 0 where the label is ignored.

    Shapes, reductions and errors as for `cross_entropy`, with log probabilities for logits.
    """
    counted_n = check_labels(log_nc, label_n, reduction, ignore_index)
    key = (np.arange(len(label_n)), np.where(counted_n, label_n, 0))
    weight = log_nc.dtype.type(counted_n.sum())

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array, None]:
        d_nc = np.zeros(log_nc.shape, log_nc.dtype)
        d_nc[key] = np.where(counted_n, -g / weight if reduction == "mean" else -g, 0)
        return d_nc, None

    return _reduce(np.where(counted_n, -log_nc[key], 0), weight, reduction), backward


def check_labels(scores_nc: Array, label_n: Array, reduction: str, ignore_index: int) -> Any:
    """Which labels count. Raises PyTorch's errors for labels that do not fit the scores."""
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if label_n.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"expected scalar type Long but found {label_n.dtype}")
    if label_n.shape != scores_nc.shape[:1]:
        raise ValueError(
            f"Expected input batch_size ({scores_nc.shape[0]}) to match "
            f"target batch_size ({label_n.shape[0]})."
        )
    counted_n = label_n != ignore_index
    wrong_n = counted_n & ((label_n < 0) | (label_n >= scores_nc.shape[1]))
    if wrong_n.any():
        raise IndexError(f"Target {label_n[wrong_n][0]} is out of bounds.")
    return counted_n
