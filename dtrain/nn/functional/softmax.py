# mypy: disable-error-code="no-any-return"
"""The softmax family."""

import warnings
from typing import Any

import numpy as np

from dtrain import random
from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.ops import loss as ops
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.nn.functional.reduction import require_float

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """e ** x / sum e ** x along a dimension, of the input cast to `dtype` if that is given.

    Without `dim` it is 0 for 0, 1 or 3 dimensions, else 1, with a warning, as in PyTorch.
    Raises NotImplementedError for integers, IndexError for a dimension that does not exist.
    """
    dim = _dim("softmax", input, dim, _stacklevel)
    return ops.softmax(_ready("softmax", input, dtype), axis=dim)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Logarithm of the softmax, without overflow. Arguments as for `softmax`."""
    dim = _dim("log_softmax", input, dim, _stacklevel)
    return ops.log_softmax(_ready("log_softmax", input, dtype), axis=dim)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """The softmax of -x. Arguments as for `softmax`."""
    dim = _dim("softmin", input, dim, _stacklevel)
    return ops.softmax(_ready("softmax", -input, dtype), axis=dim)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A draw from the Gumbel-softmax distribution: softmax((logits - log e) / tau), e exponential.

    `hard` gives a one-hot vector in place of each, with the gradient of the soft one.
    Draws PyTorch's numbers from the default generator. `eps` has no effect.
    Source: Jang et al. 2017; Maddison et al. 2017.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    if not logits.is_floating_point():
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {logits._array.dtype}"
        )
    drawn = random.default_generator.exponential(logits.shape, dtype=logits._array.dtype)
    soft = softmax((logits + wrap(-np.log(drawn))) / tau, dim)
    return wrap(_one_hot(soft._array, dim)) - soft.detach() + soft if hard else soft


def _one_hot(soft: Any, dim: int) -> Any:
    out = np.zeros_like(soft)
    if soft.ndim:
        np.put_along_axis(out, soft.argmax(dim, keepdims=True), 1, dim)
    else:
        out[...] = 1
    return out


def _ready(name: str, input: Tensor, dtype: Any) -> Tensor:
    if dtype is not None:
        return input.to(dtype)
    require_float(input, f"{name}_lastdim_kernel_impl")
    return input


def _dim(name: str, input: Tensor, dim: int | None, stacklevel: int) -> int:
    if dim is not None:
        return dim_of(dim, input.ndim)
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1
