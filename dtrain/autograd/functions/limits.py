# mypy: disable-error-code="no-any-return"
"""The greater and the lesser of two, and elements kept within limits."""

from typing import Any

from dtrain.autograd import dtypes
from dtrain.autograd.functions import comparison
from dtrain.autograd.functions.arguments import number_of, tensors_of
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.functions.unary import isnan
from dtrain.autograd.ops import elementwise, promotion, rounding
from dtrain.autograd.tensor import Tensor

__all__ = [
    "clamp", "clamp_max", "clamp_min", "clip", "fmax", "fmin", "maximum", "minimum", "nan_to_num",
]  # fmt: skip


@public(in_place=True)
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input, but at least `min` and at most `max`, numbers or tensors; nan stays."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    tensors_of("clamp", input)
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return _clamp_to_tensors(input, min, max)
    min, max = number_of(min), number_of(max)
    dtype = dtypes.result_dtype([input._array, *(each for each in (min, max) if each is not None)])
    low, high = (None if each is None else promotion.converted(each, dtype) for each in (min, max))
    return rounding.clamp(input.to(dtype), low=low, high=high)


def _clamp_to_tensors(input: Tensor, min: Any, max: Any) -> Tensor:
    """The gradient goes to the input on the limits, and to a limit beyond it."""
    if min is not None:
        input = comparison.where((input >= min) | isnan(input), input, min)
    return input if max is None else comparison.where((input <= max) | isnan(input), input, max)


@public(in_place=True)
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """input, but at least `min`."""
    return clamp(input, min=min)


@public(in_place=True)
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """input, but at most `max`."""
    return clamp(input, max=max)


@public(in_place=True)
def nan_to_num(input: Tensor, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Tensor:
    """nan replaced by 0 (or `nan`), the infinities by the greatest and the least number."""
    return rounding.nan_to_num(input, nan=nan or 0.0, posinf=posinf, neginf=neginf)


@public()
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The greater of two, element by element."""
    tensors_of("maximum", input, other)
    return elementwise.maximum(input, other)


@public()
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The lesser of two, element by element."""
    tensors_of("minimum", input, other)
    return elementwise.minimum(input, other)


@public()
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The greater of two; of nan and a number, the number."""
    tensors_of("fmax", input, other)
    greater = comparison.where(isnan(other) | (input >= other), input, other)
    return comparison.where(isnan(input), other, greater)


@public()
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The lesser of two; of nan and a number, the number."""
    tensors_of("fmin", input, other)
    lesser = comparison.where(isnan(other) | (input <= other), input, other)
    return comparison.where(isnan(input), other, lesser)


alias("clip", "clamp")
clip = clamp
