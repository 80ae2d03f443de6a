"""From a loss for each element to the number that is minimised, in PyTorch's words."""

import warnings
from typing import Any

from dtrain.autograd.modes import is_grad_enabled
from dtrain.autograd.tensor import Tensor


def chosen(
    reduction: str,
    size_average: bool | None = None,
    reduce: bool | None = None,
    stacklevel: int = 3,
) -> str:
    """The reduction, with PyTorch's old arguments, which rule it where they are given.

    `stacklevel` is where the warning points: to whoever called the caller.
    """
    if size_average is None and reduce is None:
        return reduction
    averages = size_average is None or size_average
    name = "none" if reduce is False else "mean" if averages else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{name}' instead.",
        stacklevel=stacklevel,
    )
    return name


def checked(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """As `chosen`: "none", "mean" or "sum". Raises ValueError for anything else."""
    reduction = chosen(reduction, size_average, reduce, 4)
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            stacklevel=3,
        )
        return "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(loss: Any, reduction: str) -> Any:
    """The loss itself, its mean or its sum."""
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


def require_float(tensor: Tensor, kernel: str) -> None:
    """Raise what PyTorch raises for integers, whose kernels of this name are for floats alone."""
    if not tensor.is_floating_point():
        kinds = {"bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int"}
        name = kinds.get(tensor._array.dtype.name, "Long")
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{name}'")


def require_constant(tensor: Tensor | None, function: str, name: str) -> None:
    """Raise what PyTorch raises where it cannot differentiate for an argument."""
    if tensor is not None and tensor.requires_grad and is_grad_enabled():
        raise RuntimeError(
            f"The function '{function}' is not differentiable with respect to argument '{name}'. "
            "This input cannot have requires_grad True."
        )
