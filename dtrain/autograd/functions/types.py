# mypy: disable-error-code="no-any-return"
"""What a tensor is, and what dtype a result has."""

from typing import Any

import numpy as np

from dtrain.autograd import dtypes, inference
from dtrain.autograd.functions.arguments import tensor_of, tensors_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.modes import MODE
from dtrain.autograd.tensor import Tensor

__all__ = [
    "can_cast", "clone", "detach", "is_complex", "is_floating_point", "is_inference",
    "is_inference_mode_enabled", "is_nonzero", "is_same_size", "is_signed", "numel",
    "promote_types", "result_type",
]  # fmt: skip

_KIND = {"b": 0, "u": 1, "i": 1, "f": 2}


@public(method=False)
def result_type(tensor1: Any, tensor2: Any) -> dtypes.DType:
    """The dtype that arithmetic of two tensors or numbers has."""
    given = [each._array if isinstance(each, Tensor) else each for each in (tensor1, tensor2)]
    return dtypes.of(dtypes.result_dtype(given))


@public(method=False)
def promote_types(type1: Any, type2: Any) -> dtypes.DType:
    """The least dtype, and of the least kind, that holds both."""
    empty = [np.zeros(1, dtypes.of(each).dtype) for each in (type1, type2)]
    return dtypes.of(dtypes.result_dtype(empty))


@public(method=False)
def can_cast(from_: Any, to: Any) -> bool:
    """Whether an in-place operation may cast so: not to a lesser kind of bool < integer < float."""
    one, other = dtypes.of(from_), dtypes.of(to)
    return _KIND[one.kind] <= _KIND[other.kind]


@public(method=False)
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a float's."""
    return tensor_of(input, who="is_floating_point").is_floating_point()


@public(method=False)
def is_complex(input: Tensor) -> bool:
    """Never."""
    return tensor_of(input, who="is_complex").is_complex()


@public()
def is_inference(input: Tensor) -> bool:
    """Whether it was made in inference mode."""
    return inference.is_inference(tensor_of(input, who="is_inference"))


@public(method=False)
def is_inference_mode_enabled() -> bool:
    """Whether this thread is in inference mode."""
    return MODE.inference and not MODE.enabled


@public(method=False)
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative values."""
    return tensor_of(input, who="is_signed").is_signed()


@public()
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero."""
    if tensor_of(input, who="is_nonzero").numel() != 1:
        some = "more than one value" if input.numel() else "no values"
        raise RuntimeError(f"Boolean value of Tensor with {some} is ambiguous")
    return bool(input._array)


@public()
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two shapes are equal."""
    tensors_of("is_same_size", input, other)
    return input._array.shape == other._array.shape


@public(method=False)
def numel(input: Tensor) -> int:
    """Number of elements."""
    return tensor_of(input, who="numel").numel()


@public(function=False)
def ndimension(input: Tensor) -> int:
    """Number of dimensions."""
    return input.ndim


@public(method=False)
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, within the graph."""
    return tensor_of(input, who="clone").clone()


@public(method=False)
def detach(input: Tensor) -> Tensor:
    """A tensor over the same memory, outside the graph."""
    return tensor_of(input, who="detach").detach()
