"""The options of a group: checked with PyTorch's words, and read as numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dtrain.autograd import Tensor

UNSUPPORTED = {
    "differentiable": "a step is not recorded in a graph",
    "capturable": "there is no accelerator whose graphs could capture a step",
}


def number(value: Any) -> Any:
    """An option as a scalar for arithmetic with arrays.

    Numbers become a Python float, which takes on the dtype of any array. A tensor of float32 stays
    float32, because PyTorch rounds to it whatever it computes from one: lr / (1 - beta ** t).
    """
    array = value._array if isinstance(value, Tensor) else value
    if isinstance(array, np.ndarray):
        scalar = array.reshape(())[()]
        return scalar if array.dtype == np.float32 else float(scalar)
    return float(array)


def check_rate(lr: Any) -> None:
    """Raises ValueError for a negative or not-a-number rate, or a tensor of several."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not number(lr) >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_not_negative(name: str, value: Any) -> None:
    """Raises ValueError for an option that is negative or not a number."""
    if not number(value) >= 0.0:
        raise ValueError(f"Invalid {name} value: {value}")


def check_betas(betas: Any) -> None:
    """Raises ValueError for a beta outside [0, 1), or a tensor of several."""
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor) and beta.numel() != 1:
            raise ValueError(f"Tensor betas[{i}] must be 1-element")
        if not 0.0 <= number(beta) < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def check_execution(group: Mapping[str, Any]) -> None:
    """`foreach` and `fused` say how PyTorch runs an update, and change nothing here.

    Raises RuntimeError for what excludes each other, NotImplementedError for what is not there.
    """
    if group.get("fused") and group.get("differentiable"):
        raise RuntimeError("`fused` does not support `differentiable`")
    if group.get("fused") and group.get("foreach"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    for name, why in UNSUPPORTED.items():
        if group.get(name):
            raise NotImplementedError(f"{name}=True is not supported: {why}")
