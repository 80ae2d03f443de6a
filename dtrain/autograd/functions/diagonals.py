# mypy: disable-error-code="no-any-return"
"""Diagonals filled in place."""

from typing import Any

from dtrain.autograd.functions.registry import public
from dtrain.autograd.functions.triangles import diagonal
from dtrain.autograd.tensor import Tensor

__all__: list[str] = []


@public(function=False)
def fill_diagonal_(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Elements i, i, ... set to a number; with `wrap` of a tall matrix again below each square,
    one row left out.

    Raises RuntimeError for fewer than 2 dimensions, and for more of different sizes.
    """
    if input.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if input.ndim > 2 and len(set(input.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    rows, columns = input.shape[:2]
    for start in range(0, rows, columns + 1) if wrap and input.ndim == 2 else [0]:
        found = input[start : start + columns]
        while found.ndim > 1:
            found = diagonal(found, 0, 0, 1)
        found.fill_(fill_value)
    return input
