# mypy: disable-error-code="no-any-return"
"""Values counted, looked up, and made unique."""

from typing import Any

import numpy as np

from dtrain.autograd.functions.registry import public
from dtrain.autograd.tensor import Tensor

__all__ = [
    "searchsorted",
]  # fmt: skip


@public()
def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where elements would go in a sequence that is in order, along the last dimension."""
    if side is not None and right and side == "left":
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites")
    where = "right" if right or side == "right" else "left"
    values = np.asarray(input._array if isinstance(input, Tensor) else input)
    edges = sorted_sequence._array
    if sorter is not None:
        edges = np.take_along_axis(edges, sorter._array, -1)
    dtype = np.int32 if out_int32 else np.int64
    if edges.ndim == 1:
        return Tensor(np.asarray(np.searchsorted(edges, values, where)).astype(dtype))
    out = np.empty(values.shape, dtype)
    for at in np.ndindex(edges.shape[:-1]):
        out[at] = np.searchsorted(edges[at], values[at], where)
    return Tensor(out)
