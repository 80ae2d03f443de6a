"""What a leaf does to a batch between `collate` and `loss`: measure it, cast it."""

from typing import Any

import numpy as np

from dtrain.autograd import Tensor


def rows(batch: Any) -> int | None:
    """The first dimension of a batch's first tensor, which is its weight by default.

    Looks into tuples, lists and mappings, in order. 0 for None and for an empty container; None
    if there is something, but no tensor or array with a dimension.
    """
    if batch is None:
        return 0
    if isinstance(batch, Tensor | np.ndarray):
        return int(batch.shape[0]) if batch.ndim else None
    if isinstance(batch, dict | tuple | list):
        parts = list(batch.values()) if isinstance(batch, dict) else list(batch)
        found = [n for part in parts if (n := rows(part)) is not None]
        return found[0] if found else (None if parts else 0)
    return None


def cast(batch: Any, dtype: str) -> Any:
    """The batch with floating-point tensors and arrays in `dtype`; all else is kept as it is."""
    if isinstance(batch, Tensor):
        return batch.to(np.dtype(dtype)) if batch._array.dtype.kind == "f" else batch
    if isinstance(batch, np.ndarray):
        return batch.astype(dtype, copy=False) if batch.dtype.kind == "f" else batch
    if type(batch) is dict:
        return {key: cast(part, dtype) for key, part in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(cast(part, dtype) for part in batch))
    if type(batch) in (list, tuple):
        return type(batch)(cast(part, dtype) for part in batch)
    return batch
