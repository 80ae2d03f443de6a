# mypy: disable-error-code="no-any-return"
"""Scaled dot-product attention: checks, PyTorch's options, and the op."""

import math
from typing import Any

import numpy as np

from dtrain.autograd.ops import attention
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.nn.functional.dropout import dropout
from dtrain.nn.functional.masks import check_mask, is_float

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale * query @ key.T + mask) @ value; zeros for a query that may see no key.

    Shapes:  query (..., l, e);  key (..., s, e);  value (..., s, v);  result (..., l, v);
             attn_mask: what broadcasts to (..., l, s). Leading dimensions broadcast; with
             `enable_gqa` there may be fewer key and value heads (dimension -3) than query heads.
    Masks:   bool: True where a key may be seen; float: added to the scores. `is_causal`: query i
             sees keys 0 ... i, at most. Both may be given.
    Options: dropout_p, applied always: pass 0 in evaluation; scale, by default 1 / sqrt(e).
    Raises:  RuntimeError for shapes, dtypes or a probability that do not fit.
    """
    _check_operands(query, key, value)
    if enable_gqa:
        key, value = (_repeat_heads(each, query) for each in (key, value))
    if query.dtype == np.float16:
        query, key, value = query.float(), key.float(), value.float()
        mask = attn_mask.float() if attn_mask is not None and is_float(attn_mask) else attn_mask
        out = scaled_dot_product_attention(
            query, key, value, mask, dropout_p, is_causal, scale=scale
        )
        return out.half()
    scores_shape = (*_leading(query, key, value), query.shape[-2], key.shape[-2])
    if attn_mask is not None:
        attn_mask = attn_mask.reshape(1, -1) if attn_mask.ndim < 2 else attn_mask
        check_mask(attn_mask, query, scores_shape)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1] or 1)
    return attention.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask,
        dropout_noise(scores_shape, dropout_p, query.dtype),
        is_causal=is_causal,
        scale=scale,
    )


def _leading(*tensors: Tensor) -> tuple[int, ...]:
    """The leading dimensions of the result."""
    try:
        return np.broadcast_shapes(*(tensor.shape[:-2] for tensor in tensors))
    except ValueError as error:
        raise RuntimeError(f"query, key and value do not go together: {error}") from None


def _check_operands(query: Tensor, key: Tensor, value: Tensor) -> None:
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype} key.dtype: {key.dtype} and value.dtype: {value.dtype} instead."
        )
    if not is_float(query):
        raise RuntimeError(f"expected scalar type Float but found {query.dtype}")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"shapes {query.shape}, {key.shape}, {value.shape} of query, key and value do not fit: "
            "(..., l, e), (..., s, e), (..., s, v)"
        )


def _repeat_heads(x: Tensor, query: Tensor) -> Tensor:
    """(..., k, s, e) -> (..., h, s, e), each head h / k times in a row."""
    if x.ndim < 3 or query.ndim < 3:
        raise IndexError("Dimension out of range: enable_gqa needs a dimension of heads, -3")
    *lead, heads, rows, width = x.shape
    if not heads or query.shape[-3] % heads:
        raise RuntimeError(
            "Number of heads in key and value must divide the number of heads in query"
        )
    if heads == query.shape[-3]:
        return x
    times = query.shape[-3] // heads
    return (
        x.unsqueeze(-3)
        .expand(*lead, heads, times, rows, width)
        .reshape(*lead, heads * times, rows, width)
    )


def dropout_noise(size: tuple[int, ...], p: float, dtype: Any) -> Tensor | None:
    """What dropout multiplies by, or None: PyTorch's draws for an input of this size."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    return None if p == 0 else dropout(wrap(np.ones(size, dtype)), p)
