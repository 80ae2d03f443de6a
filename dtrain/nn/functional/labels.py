# mypy: disable-error-code="no-any-return"
"""Losses of classes: of labels, and of a probability for each class."""

from typing import Any

from dtrain.autograd.ops import loss as losses
from dtrain.autograd.tensor import Tensor
from dtrain.nn.functional.reduction import checked, reduced, require_constant, require_float
from dtrain.nn.functional.softmax import log_softmax

__all__ = ["cross_entropy", "nll_loss"]


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Softmax cross entropy of class scores, in nats: see the op for the formula.

    Shapes:  input (c), (n, c) or (n, c, d1, ...);  target the same without c, int64 or uint8, or
             of the shape of the input: the probability of each class;  weight (c);  result (), or
             that of the labels for reduction "none".
    Mean over the labels that are not `ignore_index`, by the weights of their classes; nan if there
    are none; of probabilities over n, d1, ....
    Raises:  IndexError for a label out of range; ValueError or RuntimeError for shapes or a dtype
             that do not fit, or a smoothing outside [0, 1]; NotImplementedError for integer scores.
    """
    reduction = checked(reduction, size_average, reduce)
    if target.shape == input.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    _check_smoothing(label_smoothing)
    require_float(input, "log_softmax_lastdim_kernel_impl")
    options = {"ignore_index": ignore_index, "reduction": reduction, "smoothing": label_smoothing}
    return _by_rows(losses.cross_entropy, input, target, weight, options)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of log probabilities: shapes and errors as for `cross_entropy`."""
    reduction = checked(reduction, size_average, reduce)
    require_float(input, "nll_loss_out_frame")
    options = {"ignore_index": ignore_index, "reduction": reduction}
    return _by_rows(losses.nll, input, target, weight, options)


def _by_rows(
    op: Any, input: Tensor, target: Tensor, weight: Tensor | None, options: dict[str, Any]
) -> Tensor:
    """Bring scores to (n, c), classes last, and give the result the shape of the target."""
    _check_class_shapes(input, target)
    _check_class_weight(input, weight)
    shape = target.shape if input.ndim > 1 else ()
    if input.ndim == 1:
        input = input.unsqueeze(0)
    elif input.ndim > 2:
        input = input.permute(0, *range(2, input.ndim), 1).reshape(-1, input.shape[1])
    out = op(input, target.reshape(-1), weight, **options)
    return out.reshape(shape) if options["reduction"] == "none" else out


def _check_class_shapes(input: Tensor, target: Tensor) -> None:
    if not input.ndim:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if input.ndim == 1:
        if target.numel() != 1 or target.ndim > 1:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {target.numel()}"
            )
        return
    count = target.shape[0] if target.ndim else 0
    if input.shape[0] != count:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({count})."
        )
    if input.ndim == 2 and target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    wanted = [input.shape[0], *input.shape[2:]]
    if list(target.shape) != wanted:
        raise RuntimeError(f"Expected target size {wanted}, got {list(target.shape)}")


def _check_class_weight(input: Tensor, weight: Tensor | None) -> None:
    if weight is None:
        return
    classes = input.shape[1 if input.ndim > 1 else 0]
    if weight.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight.shape)}"
        )
    if weight.dtype != input.dtype:
        raise RuntimeError(
            f"expected scalar type {input._array.dtype} but found {weight._array.dtype}"
        )
    require_constant(weight, "nll_loss_forward", "weight")


def _check_smoothing(smoothing: float) -> None:
    if not 0.0 <= smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {smoothing}")


def _soft_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    """-sum_c w[c] * t[n,c] * log softmax(z)[n,c], with t smoothed towards 1 / c."""
    if not target.is_floating_point():
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, "
            f"got {target._array.dtype}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    _check_smoothing(smoothing)
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis] if input.ndim else 1
    if smoothing:
        target = target * (1 - smoothing) + smoothing / max(classes, 1)
    terms = log_softmax(input, axis) * target
    if weight is not None:
        if weight.shape != (classes,):
            raise RuntimeError(
                f"cross_entropy: weight tensor should be defined either for all {classes} classes "
                f"or no classes but got weight tensor of shape: {list(weight.shape)}"
            )
        terms = terms * weight.reshape(-1, *(1,) * max(input.ndim - 2, 0))
    loss = -(terms.sum(axis) if terms.ndim else terms)
    if reduction == "mean":
        return loss.sum() / loss.numel() if loss.numel() else loss.mean()
    return reduced(loss, reduction)
