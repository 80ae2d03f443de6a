"""Parameters as one vector, and back."""

import math
from collections.abc import Iterable

from dtrain.autograd.functions.joining import cat
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.nn.registry import typename

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters one after the other, flat; recorded. Raises ValueError if there are none."""
    flat = [parameter.reshape(-1) for parameter in parameters]
    if not flat:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    return cat(flat)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give each parameter its part of a vector: they share the vector's memory afterwards.

    Raises TypeError for what is no tensor, RuntimeError for a vector that is too short.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    start = 0
    for parameter in parameters:
        size = math.prod(parameter.shape)
        part = vec._array[start : start + size]
        if part.size != size:
            raise RuntimeError(
                f"shape '{list(parameter.shape)}' is invalid for input of size {part.size}"
            )
        parameter.data = wrap(part.reshape(parameter.shape))
        start += size
