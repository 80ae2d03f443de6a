# mypy: disable-error-code="no-any-return"
"""Affine maps."""

from dtrain.autograd.ops import linalg
from dtrain.autograd.tensor import Tensor

__all__ = ["linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias.

    Shapes:  input (..., k);  weight (m, k);  bias (m);  result (..., m).
    Raises:  RuntimeError if the shapes above do not hold or dtypes differ.
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"linear(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    return linalg.linear(input, weight) if bias is None else linalg.linear(input, weight, bias)
