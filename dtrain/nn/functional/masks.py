# mypy: disable-error-code="no-any-return"
"""Masks of attention: checked, brought to one form, put together."""

import warnings
from typing import Any

import numpy as np

from dtrain.autograd.ops import shape
from dtrain.autograd.tensor import Tensor, wrap


def canonical_mask(
    mask: Tensor | None,
    name: str,
    dtype: Any,
    other: Tensor | None = None,
    other_name: str = "",
) -> Tensor | None:
    """A mask to add to scores: -inf where a bool mask is True. Float masks stay what they are.

    Raises AssertionError for other dtypes; warns, as PyTorch, where `other` is of another dtype.
    """
    if mask is None:
        return None
    is_bool = mask.dtype == np.bool_
    if not (is_bool or is_float(mask)):
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other is not None and mask.dtype != other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. "
            "Use same type for both instead.",
            stacklevel=3,
        )
    return wrap(np.where(mask._array, -np.inf, 0.0).astype(dtype)) if is_bool else mask


def merged(mask: Tensor | None, padding: Tensor | None, num_heads: int) -> Tensor | None:
    """The mask (l, s) or (n * num_heads, l, s) plus that of padding (n, s): one for the scores."""
    if padding is None:
        return mask
    batch, keys = padding.shape
    per_head = padding.reshape(batch, 1, 1, keys).expand(batch, num_heads, 1, keys)
    per_head = per_head.reshape(batch * num_heads, 1, keys)
    return per_head if mask is None else mask + per_head


def widened(mask: Tensor | None, keys: int) -> Tensor | None:
    """A mask with zeros for some more keys at the end."""
    if mask is None or not keys:
        return mask
    zeros = np.zeros((*mask.shape[:-1], keys), mask.dtype)
    return shape.cat(mask, wrap(zeros), dim=mask.ndim - 1)


def check_mask_sizes(
    mask: Tensor | None, padding: Tensor | None, query: Tensor, keys: int, num_heads: int
) -> None:
    """Raise PyTorch's errors for masks whose sizes are not those of the queries and keys."""
    rows, batch = query.shape[:2]
    if mask is not None:
        expected = (rows, keys) if mask.ndim == 2 else (batch * num_heads, rows, keys)
        if tuple(mask.shape) != expected:
            raise RuntimeError(
                f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, "
                f"but should be {expected}."
            )
    for at, size in enumerate((batch, keys)):
        if padding is not None and padding.shape[at] != size:
            raise AssertionError(
                f"Expected key_padded_mask.shape[{at}] to be {size}, but got {padding.shape[at]}"
            )


def check_mask(mask: Tensor, query: Tensor, scores_shape: tuple[int, ...]) -> None:
    """Raise PyTorch's errors for a mask that does not go with the queries and the scores."""
    if mask.dtype not in (np.bool_, np.float32) and mask.dtype != query.dtype:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {mask.dtype} and  query.dtype: {query.dtype} instead."
        )
    try:
        fits = np.broadcast_shapes(mask.shape, scores_shape) == scores_shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"attn_mask of shape {tuple(mask.shape)} does not broadcast to the scores' shape, "
            f"{tuple(scores_shape)}"
        )


def is_float(x: Tensor) -> bool:
    """Whether a tensor's elements are floats."""
    return x._array.dtype.kind == "f"
