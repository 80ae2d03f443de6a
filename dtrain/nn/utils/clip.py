"""Gradients clipped: by the norm of all of them together, or element by element.

Gradients are changed in place. `foreach` chooses among implementations of PyTorch's and has no
meaning here.
"""

import types
import warnings
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.autograd.value import Array

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_",
    "get_total_norm",
]  # fmt: skip

Tensors: TypeAlias = Tensor | Iterable[Tensor]

ROW = 8192


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients so that their norm, as one vector, is at most `max_norm`.

        g <- g * min(1, max_norm / (norm + 1e-6))

    Returns the norm before. Raises RuntimeError, if `error_if_nonfinite`, for one that is inf or
    nan.
    """
    found = _listed(parameters)
    if isinstance(parameters, types.GeneratorType) and not found:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2
        )
    norm = get_total_norm(_gradients(found), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(found, max_norm, norm, foreach)
    return norm


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """`clip_grad_norm_`, under its old name. Warns of that."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of order `norm_type` (a number or inf) of all tensors, as one vector.

    It is the norm of the tensors' norms, 0-dim. Raises RuntimeError as `clip_grad_norm_`.
    """
    order = float(norm_type)
    norms = [_norm(canonical(tensor._array).ravel(), order) for tensor in _listed(tensors)]
    if not norms:
        return wrap(np.zeros((), np.float32))
    total = np.asarray(_norm(np.stack(norms), order))
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {order} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite "
            "norm anyway, set `error_if_nonfinite=False`"
        )
    return wrap(total)


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients by min(1, max_norm / (total_norm + 1e-6))."""
    gradients = _gradients(_listed(parameters))
    if scale_arrays([gradient._array for gradient in gradients], max_norm, total_norm._array):
        for gradient in gradients:
            gradient._bump()


def scale_arrays(arrays: Iterable[Array], max_norm: float, norm: Array) -> bool:
    """Scale arrays of that norm together by min(1, max_norm / (norm + 1e-6)); whether it did."""
    with np.errstate(all="ignore"):
        # one rounding for the reciprocal and one for the product, as in PyTorch
        one = norm.dtype.type(1)
        scale = np.minimum(one / (norm + 1e-6) * float(max_norm), one)
        if scale == 1:
            return False
        for array in arrays:
            np.multiply(array, scale.astype(array.dtype), out=array)
    return True


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Bring every element of every gradient into [-clip_value, clip_value]."""
    bound = float(clip_value)
    for gradient in _gradients(_listed(parameters)):
        np.clip(gradient._array, -bound, bound, out=gradient._array)
        gradient._bump()


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: list[Tensor]) -> list[Any]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _norm(x: Array, order: float) -> Any:
    """(sum |x| ** order) ** (1 / order), its limit for inf, -inf and 0, in the dtype of x."""
    if not x.size and (order < 0 or order == np.inf):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {order:g} norm on an empty tensor because the "
            "operation does not have an identity"
        )
    with np.errstate(all="ignore"):
        match order:
            case 0.0:
                return (x != 0).sum().astype(x.dtype)
            case 1.0:
                return np.abs(x).sum()
            case 2.0:
                return np.sqrt(_sum_of_squares(x))
            case np.inf:
                return np.abs(x).max()
        if order == -np.inf:
            return np.abs(x).min()
        return (np.abs(x) ** order).sum() ** (1 / order)


def _sum_of_squares(x: Array) -> Any:
    """In rows that a BLAS does not share out among threads, so that the sum has one order."""
    whole = x.size - x.size % ROW
    rows = x[:whole].reshape(-1, ROW)
    return np.append(np.vecdot(rows, rows), np.dot(x[whole:], x[whole:])).sum()
