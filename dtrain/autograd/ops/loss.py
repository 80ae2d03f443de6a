"""Softmax, and the losses of class labels that are built on it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dtrain.autograd.dtypes import canonical, floating
from dtrain.autograd.op import fused, op
from dtrain.autograd.ops.elementwise import exp
from dtrain.autograd.ops.logic import anchor
from dtrain.autograd.ops.promotion import KINDS
from dtrain.autograd.ops.reduce import sum_
from dtrain.autograd.ops.shape import index
from dtrain.autograd.value import Array


def _along(x: Any, axis: int) -> int | None:
    """The axis; a number counts as a vector of one, as in PyTorch."""
    return None if x.ndim == 0 and axis in (0, -1) else axis


def _total(x: Any, axis: int) -> Any:
    return sum_(x, axis=_along(x, axis), keepdims=True)


def _shifted(x: Array, axis: int | None) -> Any:
    """x minus its greatest element along an axis: the same softmax, without overflow."""
    return x - x.max(axis=axis, keepdims=True, initial=-np.inf)


@op(prepare=floating, x=lambda g, out, axis: g - exp(out) * _total(g, axis))
def log_softmax(x: Array, *, axis: int = -1) -> Any:
    """log(e**x / sum e**x) along an axis, without overflow."""
    along = _along(x, axis)
    z = _shifted(x, along)
    z -= np.log(np.exp(z).sum(axis=along, keepdims=True))
    return z


@op(prepare=floating, x=lambda g, out, axis: out * (g - _total(g * out, axis)))
def softmax(x: Array, *, axis: int = -1) -> Any:
    """e**x / sum e**x along an axis, without overflow."""
    along = _along(x, axis)
    e = np.exp(_shifted(x, along))
    e /= e.sum(axis=along, keepdims=True)
    return e


class Counted(NamedTuple):
    """Labels, with what PyTorch's losses weigh them by."""

    key: tuple[Array, Array]  # picks each row's label, and class 0 where it is ignored
    mask_n: Array  # which labels are not ignored
    weight_n: Array  # the weight of each label's class, 0 where it is ignored
    spread_c: Any  # the weight of each class as a part of a smoothed label
    kept: float  # the part of a smoothed label that is the label itself

    def total(self) -> Any:
        """What a mean divides by."""
        return self.weight_n.sum()

    def spread(self) -> Any:
        """The sum of `spread_c`, in its dtype."""
        return self.spread_c.sum()


def _counted(
    scores_nc: Any, label_n: Array, weight_c: Array | None, ignore_index: int, smoothing: float
) -> Counted:
    count, classes = scores_nc.shape
    dtype = np.dtype(scores_nc.dtype)
    mask_n = np.asarray(label_n != ignore_index)
    key = (np.arange(count), np.where(mask_n, label_n, 0))
    even_c = np.ones(classes, dtype) if weight_c is None else weight_c.astype(dtype, copy=False)
    weight_n = mask_n.astype(dtype) if weight_c is None else even_c[key[1]] * mask_n
    return Counted(key, mask_n, weight_n, even_c * (smoothing / max(classes, 1)), 1.0 - smoothing)


def _reduce(loss_n: Any, weight: Any, reduction: str) -> Any:
    """PyTorch's three reductions; a mean over no weight is nan, as 0 / 0."""
    if reduction == "none":
        return loss_n
    total = loss_n.sum()
    return total if reduction == "sum" else total / weight


def _nll_formula(
    log_nc: Any,
    label_n: Array,
    weight_c: Array | None = None,
    *,
    reduction: str = "mean",
    ignore_index: int = -100,
    smoothing: float = 0.0,
) -> Any:
    counted = _counted(log_nc, label_n, weight_c, ignore_index, smoothing)
    loss_n = -index(anchor(log_nc), key=counted.key) * counted.weight_n
    if smoothing:
        even_n = sum_(log_nc * counted.spread_c, axis=1)
        loss_n = loss_n * counted.kept - even_n * counted.mask_n
    return _reduce(loss_n, float(counted.total()), reduction)


def _cross_entropy_formula(logits_nc: Any, *inputs: Any, **options: Any) -> Any:
    return _nll_formula(log_softmax(logits_nc, axis=1), *inputs, **options)


@fused("logits_nc", formula=_cross_entropy_formula, label="NllLoss")
def cross_entropy(
    logits_nc: Array,
    label_n: Array,
    weight_c: Array | None = None,
    *,
    reduction: str = "mean",
    ignore_index: int = -100,
    smoothing: float = 0.0,
) -> tuple[Any, Any]:
    """Softmax cross entropy of labels, in nats.

        loss[n] = w[label[n]] (L[n] - z[n, label[n]]) (1 - s)  +  sum_c w[c] (L[n] - z[n,c]) s / c

    with L[n] = log sum_c exp z[n,c], smoothing s and weights w; 0 where label[n] is ignore_index.

    Shapes:  logits_nc (n, c) float;  label_n (n) int64 or uint8 in [0, c);  weight_c (c) or None,
             of the dtype of the logits;  result () or (n).
    Reduction: "none"; "sum"; "mean": the sum over sum_n w[label[n]], without ignored labels.
    Gradient: for logits; none for labels and weights.
    Raises:  IndexError for a label out of range, RuntimeError for labels of another dtype,
             ValueError for shapes or a reduction that do not hold.
    Source:  Bishop 2006, section 4.3.4, eq. 4.108 and 4.109; smoothing: Szegedy et al. 2016.
    """
    check_labels(logits_nc, label_n, reduction, ignore_index)
    counted = _counted(logits_nc, label_n, weight_c, ignore_index, smoothing)
    z_nc = _shifted(canonical(logits_nc), 1)
    exp_nc = np.exp(z_nc)
    total_n = exp_nc.sum(axis=1)
    log_n = np.log(total_n)
    loss_n = np.where(counted.mask_n, log_n - z_nc[counted.key], 0)
    plain = weight_c is None and not smoothing
    if not plain:
        loss_n *= counted.weight_n
    if smoothing:
        even_n = log_n * counted.spread() - (z_nc * counted.spread_c).sum(axis=1)
        loss_n = loss_n * counted.kept + np.where(counted.mask_n, even_n, 0)

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array, None, None]:
        g_n = np.where(counted.mask_n, g / counted.total() if reduction == "mean" else g, 0)
        d_nc = exp_nc / total_n[:, None]
        if plain:
            d_nc[counted.key] -= 1
        else:
            _weigh(d_nc, counted, bool(smoothing))
        d_nc *= g_n[:, None]
        return d_nc, None, None

    return _reduce(loss_n, counted.total(), reduction), backward


def _weigh(d_nc: Array, counted: Counted, smooth: bool) -> None:
    """Probabilities in, the gradient of weighted or smoothed labels out."""
    own_n = counted.weight_n * counted.kept
    d_nc *= (own_n + counted.spread() if smooth else own_n)[:, None]
    d_nc[counted.key] -= own_n
    if smooth:
        d_nc -= counted.spread_c


@fused("log_nc", formula=_nll_formula, label="NllLoss")
def nll(
    log_nc: Array,
    label_n: Array,
    weight_c: Array | None = None,
    *,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> tuple[Any, Any]:
    """Negative log likelihood: -w[label[n]] * log_nc[n, label[n]], 0 where the label is ignored.

    Shapes, reductions and errors as for `cross_entropy`, with log probabilities for logits.
    """
    check_labels(log_nc, label_n, reduction, ignore_index)
    counted = _counted(log_nc, label_n, weight_c, ignore_index, 0.0)
    loss_n = np.where(counted.mask_n, -log_nc[counted.key], 0)
    if weight_c is not None:
        loss_n *= counted.weight_n

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array, None, None]:
        d_nc = np.zeros(log_nc.shape, log_nc.dtype)
        share = g / counted.total() if reduction == "mean" else g
        d_nc[counted.key] = np.where(counted.mask_n, -share * counted.weight_n, 0)
        return d_nc, None, None

    return _reduce(loss_n, counted.total(), reduction), backward


def check_labels(scores_nc: Array, label_n: Array, reduction: str, ignore_index: int) -> None:
    """Raise PyTorch's errors for labels that do not fit the scores."""
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if label_n.dtype not in (np.int64, np.uint8):
        kind = KINDS[label_n.dtype.name]
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {kind}")
    if label_n.shape != scores_nc.shape[:1]:
        raise ValueError(
            f"Expected input batch_size ({scores_nc.shape[0]}) to match "
            f"target batch_size ({label_n.shape[0]})."
        )
    wrong_n = (label_n != ignore_index) & ((label_n < 0) | (label_n >= scores_nc.shape[1]))
    if wrong_n.any():
        raise IndexError(f"Target {label_n[wrong_n][0]} is out of bounds.")
