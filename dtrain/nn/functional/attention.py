# mypy: disable-error-code="no-any-return"
"""Attention: several heads of scaled dot products, with their projections and masks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd.ops import attention, linalg, loss, shape
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.nn.functional.dotproduct import dropout_noise, scaled_dot_product_attention
from dtrain.nn.functional.dropout import dropout
from dtrain.nn.functional.linear import linear
from dtrain.nn.functional.masks import canonical_mask, check_mask, check_mask_sizes, merged, widened

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What `nn.MultiheadAttention` computes, with everything that it knows as an argument.

    Shapes:  query (l, n, e);  key (s, n, k), value (s, n, v), where k = v = e unless
             `use_separate_proj_weight`;  key_padding_mask (n, s);  attn_mask (l, s) or
             (n * num_heads, l, s);  static_k, static_v (n * num_heads, s, e / num_heads);
             result (l, n, e), and weights (n, l, s) or, not averaged, (n, num_heads, l, s).
             All of them without n for a single sequence.
    Masks:   bool: True where a key may NOT be seen; float: added to the scores. `is_causal` says
             that attn_mask is the causal mask, which then need not be read.
    Raises:  AssertionError or RuntimeError, as PyTorch, for what does not fit.
    """
    is_batched = _check_dims(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not is_batched:
        query, key, value = alike(lambda x: x.unsqueeze(1), query, key, value)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    padding, mask, is_causal = _masks(query, key_padding_mask, attn_mask, is_causal, need_weights)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    check_mask_sizes(mask, padding, query, key.shape[0], num_heads)
    p = dropout_p if training else 0.0
    extras = (bias_k, bias_v, static_k, static_v, add_zero_attn or None)
    own = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    weights = None
    bare = own is None and all(each is None for each in extras)
    if query is key is value and bare and not need_weights:
        qkv = linear(query, _given(in_proj_weight), in_proj_bias)
        out = _self_attention(qkv, merged(mask, padding, num_heads), num_heads, p, is_causal)
    else:
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias, own)
        k, v = _with_extras(k, v, query.shape[1], num_heads, *extras)
        added = (bias_k is not None) + bool(add_zero_attn)
        mask, padding = (widened(each, added) for each in (mask, padding))
        mask = merged(mask, padding, num_heads)
        q = _by_head(q, query.shape[1], num_heads)
        if need_weights:
            out, weights = _attend_and_tell(q, k, v, mask, p)
        else:
            out = scaled_dot_product_attention(q, k, v, mask, p, is_causal)
        out = out.permute(1, 0, 2).reshape(query.shape)
    out = linear(out, out_proj_weight, out_proj_bias)
    if weights is not None:
        weights = weights.reshape(query.shape[1], num_heads, *weights.shape[1:])
        weights = weights.mean(dim=1) if average_attn_weights else weights
        weights = weights if is_batched else weights.squeeze(0)
    return out if is_batched else out.squeeze(1), weights


def _masks(
    query: Tensor, padding: Tensor | None, mask: Tensor | None, is_causal: bool, need_weights: bool
) -> tuple[Tensor | None, Tensor | None, bool]:
    """The padding and the mask as floats, and whether the mask is left out: a causal one is known,
    unless something is to be added to it or told of it."""
    if is_causal and mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    padding = canonical_mask(padding, "key_padding_mask", query.dtype, mask, "attn_mask")
    is_causal = is_causal and padding is None and not need_weights
    mask = None if is_causal else canonical_mask(mask, "attn_mask", query.dtype)
    return padding, mask, is_causal


def _self_attention(
    qkv: Tensor, mask: Tensor | None, num_heads: int, p: float, is_causal: bool
) -> Tensor:
    """Attention of (l, n, 3 e) to itself by one op: (l, n, e)."""
    rows, batch, width = qkv.shape
    scores_shape = (batch * num_heads, rows, rows)
    if mask is not None:
        check_mask(mask, qkv, scores_shape)
    return attention.self_attention(
        qkv,
        mask,
        dropout_noise(scores_shape, p, qkv.dtype),
        num_heads=num_heads,
        is_causal=is_causal,
        scale=1 / math.sqrt(width // 3 // num_heads),
    )


def _attend_and_tell(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float
) -> tuple[Tensor, Tensor]:
    """Attention, and its weights: nan for a query that may see no key."""
    scores = linalg.matmul(q * math.sqrt(1 / q.shape[-1]), k, tb=True)
    if mask is not None:
        if mask.dtype != q.dtype:
            raise RuntimeError(
                f"Input dtypes must be the same, got: input {mask.dtype}, batch1: {q.dtype}"
            )
        scores = scores + mask
    weights = loss.softmax(scores, axis=-1)
    if p > 0:
        weights = dropout(weights, p)
    return linalg.matmul(weights, v), weights


def _projected(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packed: Tensor | None,
    bias: Tensor | None,
    own: tuple[Tensor | None, ...] | None,
) -> list[Tensor]:
    """Queries, keys and values, each (length, n, e), by their own weights or parts of `packed`."""
    width = query.shape[-1]
    if own is None:
        weights: list[Any] = _thirds(_given(packed), width)
    else:
        weights = [_given(weight) for weight in own]
        for name, weight, x in zip(
            ("query", "key", "value"), weights, (query, key, value), strict=True
        ):
            if tuple(weight.shape) != (width, x.shape[-1]):
                raise AssertionError(
                    f"expecting {name} weights shape of {(width, x.shape[-1])}, "
                    f"but got {weight.shape}"
                )
    biases = [None] * 3 if bias is None else _thirds(bias, width)
    return [linear(*each) for each in zip((query, key, value), weights, biases, strict=True)]


def _with_extras(
    k: Tensor,
    v: Tensor,
    batch: int,
    num_heads: int,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    static_k: Tensor | None,
    static_v: Tensor | None,
    zero: bool | None,
) -> list[Tensor]:
    """Keys and values by head, one longer for the biases and one longer for zeros, if asked for."""
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v are given together or not at all")
    if bias_k is not None and (static_k is not None or static_v is not None):
        raise AssertionError("bias cannot be added to static key or value.")
    made = []
    for x, bias, static in ((k, bias_k, static_k), (v, bias_v, static_v)):
        if bias is not None:
            x = shape.cat(x, bias.expand(1, batch, x.shape[-1]), dim=0)
        by_head = _by_head(x, batch, num_heads) if static is None else static
        expected = (batch * num_heads, x.shape[-1] // num_heads)
        if (by_head.shape[0], by_head.shape[2]) != expected:
            raise AssertionError(
                f"expecting static key or value of shape ({expected[0]}, ..., {expected[1]}), "
                f"but got {by_head.shape}"
            )
        if zero:
            zeros = np.zeros((expected[0], 1, expected[1]), by_head.dtype)
            by_head = shape.cat(by_head, wrap(zeros), dim=1)
        made.append(by_head)
    return made


def _by_head(x: Tensor, batch: int, num_heads: int) -> Tensor:
    """(length, n, e) as (n * num_heads, length, e / num_heads)."""
    width = x.shape[-1] // num_heads
    return x.reshape(x.shape[0], batch * num_heads, width).permute(1, 0, 2)


def _thirds(x: Tensor, size: int) -> list[Tensor]:
    return [x[at * size : (at + 1) * size] for at in range(3)]


def _given(weight: Tensor | None) -> Tensor:
    if weight is None:
        raise AssertionError(
            "the projection weights that use_separate_proj_weight asks for are None"
        )
    return weight


def alike(change: Callable[[Tensor], Tensor], *tensors: Tensor) -> list[Tensor]:
    """Each tensor changed; what was the same tensor before still is."""
    changed = {id(tensor): change(tensor) for tensor in tensors}
    return [changed[id(tensor)] for tensor in tensors]


def _check_dims(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether the input is batched. Raises AssertionError for numbers of dimensions that differ."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            "query should be unbatched 2D or batched 3D tensor but received "
            f"{query.ndim}-D query tensor"
        )
    head = f"For {'batched (3-D)' if query.ndim == 3 else 'unbatched (2-D)'} `query`, expected "
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(
            f"{head}`key` and `value` to be {query.ndim}-D "
            f"but found {key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != query.ndim - 1:
        raise AssertionError(
            f"{head}`key_padding_mask` to be `None` or {query.ndim - 1}-D "
            f"but found {key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise AssertionError(
            f"{head}`attn_mask` to be `None`, 2-D or 3-D "
            f"but found {attn_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None and query.ndim == 2 and attn_mask.ndim == 3:
        expected = (num_heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != expected:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}"
            )
    return query.ndim == 3


def _check_sizes(
    query: Tensor, key: Tensor, value: Tensor, width: int, num_heads: int, separate: bool
) -> None:
    if query.shape[-1] != width:
        raise AssertionError(
            f"was expecting embedding dimension of {width}, but got {query.shape[-1]}"
        )
    if width % num_heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if separate and key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    if not separate and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
