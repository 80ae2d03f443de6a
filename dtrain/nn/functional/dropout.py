# mypy: disable-error-code="no-any-return"
"""Dropout: elements, or whole channels, left out at random; PyTorch's numbers for a seed."""

import math
import warnings
from typing import Any

from dtrain import random
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.autograd.value import Array
from dtrain.random import order

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]

SELU_FLOOR = 1.7580993408473766  # -SELU(-infinity): scale * alpha of Klambauer et al. 2017


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training: zeros with probability p, all else divided by 1 - p.

    Shapes:  input any; result as input.
    Raises:  ValueError for p outside of [0, 1].
    Source:  Srivastava et al. 2014.
    """
    return _drop(input, p, training, inplace)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels of an input (n, c, l) or (c, l)."""
    _require_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. "
            "Note that dropout1d exists to provide channel-wise dropout on inputs with 1 spatial "
            "dimension, a channel dimension, and an optional batch dimension (i.e. 2D or 3D "
            "inputs)."
        )
    return _drop(input, p, training, inplace, input.ndim - 1)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels of an input (n, c, h, w); as in PyTorch, three dimensions are taken
    for (n, c, l), with a warning."""
    _require_probability(p)
    if input.ndim not in (3, 4):
        _warn_of_dimensions("dropout2d", input.ndim, "3D or 4D")
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. Please use dropout1d instead.",
            stacklevel=2,
        )
    return _drop(input, p, training, inplace, 2)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Dropout of whole channels of an input (n, c, d, h, w) or (c, d, h, w)."""
    _require_probability(p)
    if input.ndim not in (4, 5):
        _warn_of_dimensions("dropout3d", input.ndim, "4D or 5D")
    return _drop(input, p, training, inplace, 2 if input.ndim == 5 else 1)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout to SELU's lower bound, rescaled so that mean 0 and variance 1 stay what they are.

    Shapes:  input any; result as input.
    Raises:  ValueError for p outside of [0, 1].
    Source:  Klambauer et al. 2017, section "New dropout technique".
    """
    return _drop(input, p, training, inplace, alpha=True)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels of an input (n, c, ...)."""
    return _drop(input, p, training, inplace, 2, alpha=True)


def _drop(
    input: Tensor,
    p: float,
    training: bool,
    inplace: bool,
    kept_dims: int | None = None,
    alpha: bool = False,
) -> Tensor:
    """The input times noise, computed in PyTorch's order.

    `kept_dims`: the noise has only the first so many dimensions, and 1 for the others.
    """
    _require_probability(p)
    if not training or p == 0 or not input.numel():
        return input
    if p == 1:
        return _times(input, 0.0, inplace)
    if not input.is_floating_point():
        raise RuntimeError(f"dropout makes floats, which {input.dtype} cannot hold")
    dtype = input._array.dtype
    noise = _noise(input, 1 - p, kept_dims)
    if not alpha:
        noise /= dtype.type(1 - p)
        return _times(input, wrap(noise), inplace)
    scale = 1 / math.sqrt((SELU_FLOOR * SELU_FLOOR * p + 1) * (1 - p))
    shift = noise - dtype.type(1)
    shift *= dtype.type(SELU_FLOOR * scale)
    shift += dtype.type(SELU_FLOOR * scale * p)
    noise *= dtype.type(scale)
    out = _times(input, wrap(noise), inplace)
    return out.add_(wrap(shift)) if inplace else out + wrap(shift)


def _noise(input: Tensor, p: float, kept_dims: int | None) -> Array:
    """1 with probability p, else 0. Elements are drawn in their order in memory, as in PyTorch."""
    array, draws = input._array, random.default_generator
    if kept_dims is None:
        return order.like(array, lambda shape: draws.bernoulli(shape, p, array.dtype))
    if input.ndim < kept_dims:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    shape = (*array.shape[:kept_dims], *(1 for _ in array.shape[kept_dims:]))
    return draws.bernoulli(shape, p, array.dtype)


def _times(input: Any, factor: Any, inplace: bool) -> Any:
    return input.mul_(factor) if inplace else input * factor


def _require_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _warn_of_dimensions(name: str, received: int, wanted: str) -> None:
    warnings.warn(
        f"{name}: Received a {received}-D input to {name}, which is deprecated and will result in "
        "an error in a future release. To retain the behavior and silence this warning, please use "
        f"dropout instead. Note that {name} exists to provide channel-wise dropout on {wanted} "
        "inputs.",
        stacklevel=3,
    )
