"""Products of matrices and vectors."""

from typing import Any

import numpy as np

from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import linalg
from dtrain.autograd.tensor import Tensor

__all__ = ["matmul"]


@public()
def matmul(input: Any, other: Any) -> Tensor:
    """PyTorch's matmul: vectors are rows on the left and columns on the right, and drop out again.

    Shapes:  (..., n, k) and (..., k, m) -> (..., n, m); (k) and (k) -> ().
    Raises:  RuntimeError if the shapes or dtypes do not go together.
    """
    a, b = _matrix(input), _matrix(other)
    if not a.ndim or not b.ndim:
        raise RuntimeError("both arguments to matmul need to be at least 1D")
    if a.dtype != b.dtype:
        raise RuntimeError(f"expected a and b to have the same dtype, but got {a.dtype}, {b.dtype}")
    row, column = a.ndim == 1, b.ndim == 1
    out: Tensor = linalg.matmul(a.unsqueeze(0) if row else a, b.unsqueeze(1) if column else b)
    if column:
        out = out.squeeze(-1)
    return out.squeeze(-1 if column else -2) if row else out


def _matrix(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value))
