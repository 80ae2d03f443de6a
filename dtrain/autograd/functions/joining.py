# mypy: disable-error-code="no-any-return"
"""Several tensors into one, one into several."""

from collections.abc import Sequence

from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import shape
from dtrain.autograd.tensor import Tensor

__all__ = ["cat", "stack"]


@public(method=False)
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along a dimension."""
    return shape.cat(*tensors, dim=dim)


@public(method=False)
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension."""
    return shape.cat(*(each.unsqueeze(dim) for each in tensors), dim=dim)
