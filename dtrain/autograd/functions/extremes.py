# mypy: disable-error-code="no-any-return"
"""Greatest and least elements over dimensions; any and all."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd.functions import results
from dtrain.autograd.functions.arguments import Dim, dim_of, dims_of, tensors_of
from dtrain.autograd.functions.reduction import count_along
from dtrain.autograd.functions.registry import public
from dtrain.autograd.node import renamed
from dtrain.autograd.ops import elementwise, reduce, shape
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "max", "min",
]  # fmt: skip


@public()
def amax(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Greatest element over dimensions; ties share the gradient."""
    return reduce.amax(
        require_some(input, "amax", dim), axis=dims_of(dim, input.ndim), keepdims=keepdim
    )


@public()
def amin(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Least element over dimensions; ties share the gradient."""
    return reduce.amin(
        require_some(input, "amin", dim), axis=dims_of(dim, input.ndim), keepdims=keepdim
    )


def require_some(input: Tensor, who: str, dim: Any) -> Tensor:
    """Raises, as PyTorch does, where there is nothing to choose from."""
    axes = dims_of(dim, input.ndim)
    if not count_along(input, axes):
        if axes is None:
            raise RuntimeError(
                f"{who}(): Expected reduction dim to be specified for input.numel() == 0. "
                "Specify the reduction dim with the 'dim' argument."
            )
        raise IndexError(f"{who}(): Expected reduction dim {axes[0]} to have non-zero size.")
    return input


@public()
def aminmax(input: Tensor, *, dim: Any = None, keepdim: bool = False) -> results.Range:
    """Least and greatest element, of all or over one dimension."""
    return results.aminmax(amin(input, dim, keepdim), amax(input, dim, keepdim))


_max, _min = reduce.amax.called("MaxBackward1"), reduce.amin.called("MinBackward1")


@public()
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Greatest element of all; (values, indices) along a dimension; or of two tensors."""
    pair = dim if isinstance(dim, Tensor) else other
    if pair is not None:
        tensors_of("max", input, pair)
        return elementwise.maximum(input, pair)
    if dim is None:
        return _max(require_some(input, "max", None))
    return _extreme(input, reduce.argmax, dim, keepdim, "max")


@public()
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Least element of all; (values, indices) along a dimension; or of two tensors."""
    pair = dim if isinstance(dim, Tensor) else other
    if pair is not None:
        tensors_of("min", input, pair)
        return elementwise.minimum(input, pair)
    if dim is None:
        return _min(require_some(input, "min", None))
    return _extreme(input, reduce.argmin, dim, keepdim, "min")


def _extreme(
    input: Tensor, arg: Callable[..., Any], dim: int, keepdim: bool, who: str
) -> results.Ordered:
    axis = dim_of(dim, input.ndim)
    named = getattr(results, who)
    if not input.ndim:
        return named(input.clone(), arg(input))
    indices = arg(require_some(input, who, axis), axis=axis, keepdims=True)
    values = shape.take_along(input, indices=indices._array, axis=axis)
    if not keepdim:
        values, indices = values.squeeze(axis), indices.squeeze(axis)
    return named(renamed(values, f"{who.title()}Backward0"), indices)


def _place(input: Tensor, arg: Any, dim: Any, keepdim: bool, who: str) -> Tensor:
    if input._array.dtype == bool:
        raise RuntimeError(f"\"{who}_cpu\" not implemented for 'Bool'")
    if dim is None and not input.numel():
        raise IndexError(f"{who}(): Expected reduction dim to be specified for input.numel() == 0.")
    axis = None if dim is None else dim_of(dim, input.ndim)
    return arg(require_some(input, who, axis), axis=axis if input.ndim else None, keepdims=keepdim)


@public()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first greatest element."""
    return _place(input, reduce.argmax, dim, keepdim, "argmax")


@public()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first least element."""
    return _place(input, reduce.argmin, dim, keepdim, "argmin")


def _truth(input: Tensor, dim: Dim, keepdim: bool, test: Callable[..., Any]) -> Tensor:
    axes = dims_of(dim, input.ndim)
    found = np.asarray(test(input._array != 0, axis=axes, keepdims=keepdim))
    return wrap(found.astype(np.uint8) if input._array.dtype == np.uint8 else found)


@public()
def all(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are nonzero, over dimensions."""
    return _truth(input, dim, keepdim, np.all)


@public()
def any(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether an element is nonzero, over dimensions."""
    return _truth(input, dim, keepdim, np.any)
