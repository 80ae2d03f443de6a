"""Scaled dot-product attention.

The scores of a few heads at a time are made, normalized and used while they are in the cache; under
a causal mask, keys that no query of a tile may see are never touched. The probabilities are what is
kept for backward.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dtrain.autograd.op import fused
from dtrain.autograd.ops.linalg import matmul, plain
from dtrain.autograd.ops.logic import where
from dtrain.autograd.ops.loss import softmax
from dtrain.autograd.ops.shape import index, permute
from dtrain.autograd.value import Array, Value

Shape: TypeAlias = tuple[int, ...]

TILE_SCORES = 1 << 17  # scores in a tile: half a megabyte of float32
TILE_ROWS = 128  # queries in a tile under a causal mask


class Tile(NamedTuple):
    """Some heads, some of their queries, and the keys that these may see."""

    heads: slice
    rows: slice
    keys: slice


class Parts(NamedTuple):
    """The operands with all leading axes joined into one, `heads`; the queries scaled."""

    query_hle: Array
    key_hse: Array
    value_hsv: Array
    mask_hls: Array | None  # to be added; axes of size 1 stand for all
    noise_hls: Array | None
    is_causal: bool


def _formula(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    noise: Any = None,
    *,
    is_causal: bool = False,
    scale: float = 1.0,
) -> Any:
    scores = matmul(query * scale, key, tb=True)
    dtype = _raw(scores).dtype
    if attn_mask is not None:
        is_bool = _raw(attn_mask).dtype == np.bool_
        scores = scores + (_additive(_raw(attn_mask), dtype) if is_bool else attn_mask)
    if is_causal:
        scores = scores + _later(scores.shape[-2], scores.shape[-1], dtype)
    blind = (_raw(scores) == -np.inf).all(axis=-1, keepdims=True)
    weights = where(blind, 0.0, softmax(where(blind, 0.0, scores), axis=-1))
    if noise is not None:
        weights = weights * _raw(noise).astype(dtype, copy=False)
    return matmul(weights, value)


@fused("query", "key", "value", "attn_mask", formula=_formula)
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    noise: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float = 1.0,
) -> tuple[Array, Any]:
    """softmax(scale * query @ key.T + mask) @ value; zeros for a query that may see no key.

    Shapes:  query (..., l, e);  key (..., s, e);  value (..., s, v);  result (..., l, v);
             attn_mask, noise: what broadcasts to (..., l, s). Leading axes broadcast.
    Masks:   bool: True where a key may be seen; float: added to the scores; is_causal: query i may
             see keys 0 ... i. Float masks have a gradient.
    Noise:   multiplies the probabilities: 0 or 1 / (1 - p) each, for dropout.
    Source:  Vaswani et al. 2017, eq. 1; Dao et al. 2022 for the tiles.
    """
    lead = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    factor = query.dtype.type(scale)
    parts = Parts(
        np.multiply(_by_head(query, lead), factor, order="C"),
        plain(_by_head(key, lead)),
        plain(_by_head(value, lead)),
        *_extras(attn_mask, noise, lead, query.dtype),
        is_causal,
    )
    out_hlv, kept = _attend(parts)

    def backward(g: Array, needs: Sequence[bool]) -> list[Array | None]:
        found = _gradients(parts, kept, plain(_by_head(g, lead)), needs)
        found[0] *= factor
        return [
            each.reshape(*lead, *each.shape[1:]) if need else None
            for each, need in zip(found, needs, strict=True)
        ]

    return out_hlv.reshape(*lead, *out_hlv.shape[1:]), backward


def _packed_formula(
    qkv_lnx: Any,
    attn_mask: Any = None,
    noise: Any = None,
    *,
    num_heads: int,
    is_causal: bool = False,
    scale: float = 1.0,
) -> Any:
    rows, batch, width = qkv_lnx.shape
    split = qkv_lnx.reshape(rows, batch, 3, num_heads, width // 3 // num_heads)
    shape = (3, batch * num_heads, rows, width // 3 // num_heads)
    by_head = permute(split, axes=(2, 1, 3, 0, 4)).reshape(shape)
    query, key, value = (index(by_head, key=at) for at in range(3))
    out = _formula(query, key, value, attn_mask, noise, is_causal=is_causal, scale=scale)
    return permute(out, axes=(1, 0, 2)).reshape(rows, batch, width // 3)


@fused("qkv_lnx", "attn_mask", formula=_packed_formula)
def self_attention(
    qkv_lnx: Array,
    attn_mask: Array | None = None,
    noise: Array | None = None,
    *,
    num_heads: int,
    is_causal: bool = False,
    scale: float = 1.0,
) -> tuple[Array, Any]:
    """Attention of a sequence to itself by several heads, from one array to one array.

    Shapes:  qkv_lnx (l, n, 3 e): queries, keys and values side by side, those of one head after
             those of another;  result (l, n, e);  attn_mask, noise: what broadcasts to
             (n * num_heads, l, l), and else as for `scaled_dot_product_attention`.
    """
    rows, batch, width = qkv_lnx.shape
    split = qkv_lnx.reshape(rows, batch, 3, num_heads, width // 3 // num_heads)
    lead, factor = (batch * num_heads,), qkv_lnx.dtype.type(scale)
    query, key, value = np.ascontiguousarray(split.transpose(2, 1, 3, 0, 4)).reshape(
        3, *lead, rows, split.shape[-1]
    )
    query *= factor
    mask, noise = _extras(attn_mask, noise, lead, qkv_lnx.dtype)
    parts = Parts(query, key, value, mask, noise, is_causal)
    out_hlv, kept = _attend(parts)

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array | None, ...]:
        by_head = g.reshape(rows, *lead, split.shape[-1]).transpose(1, 0, 2)
        found = _gradients(parts, kept, plain(by_head), [needs[0]] * 3 + [needs[1]])
        found[0] *= factor
        dqkv = np.zeros(split.shape, split.dtype)
        for at, each in enumerate(found[:3]):
            by_head = each.reshape(batch, num_heads, rows, split.shape[-1])
            dqkv[:, :, at] = by_head.transpose(2, 0, 1, 3)
        return dqkv.reshape(qkv_lnx.shape), found[3], None

    out = np.ascontiguousarray(out_hlv.transpose(1, 0, 2)).reshape(rows, batch, width // 3)
    return out, backward


def _attend(parts: Parts) -> tuple[Array, list[tuple[Tile, Array]]]:
    """The result, and the probabilities of each tile."""
    query_hle, key_hse, value_hsv, mask_hls, noise_hls, is_causal = parts
    heads, rows = query_hle.shape[:2]
    out_hlv = np.zeros((heads, rows, value_hsv.shape[2]), value_hsv.dtype)
    kept = []
    for tile in _tiles(heads, rows, key_hse.shape[1], is_causal):
        weights = query_hle[tile.heads, tile.rows] @ key_hse[tile.heads, tile.keys].mT
        if mask_hls is not None:
            weights += _part(mask_hls, tile)
        if is_causal:
            _hide_later(weights, tile.rows.start)
        _normalize(weights)
        np.matmul(
            _noisy(weights, noise_hls, tile),
            value_hsv[tile.heads, tile.keys],
            out=out_hlv[tile.heads, tile.rows],
        )
        kept.append((tile, weights))
    return out_hlv, kept


def _gradients(
    parts: Parts, kept: list[tuple[Tile, Array]], g_hlv: Array, needs: Sequence[bool]
) -> list[Any]:
    """The gradients for the scaled queries, the keys, the values, the mask and (None) the noise."""
    query_hle, key_hse, value_hsv, _, noise_hls, _ = parts
    dquery, dkey, dvalue = (np.zeros_like(part) for part in parts[:3])
    dmask = np.zeros((*g_hlv.shape[:2], key_hse.shape[1]), g_hlv.dtype) if needs[3] else None
    for tile, weights in kept:
        heads, rows, keys = tile
        g = g_hlv[heads, rows]
        if needs[2]:
            dvalue[heads, keys] += _noisy(weights, noise_hls, tile).mT @ g
        if not (needs[0] or needs[1] or needs[3]):
            continue
        dscores = g @ value_hsv[heads, keys].mT
        if noise_hls is not None:
            dscores *= _part(noise_hls, tile)
        dscores -= np.vecdot(dscores, weights)[..., None]
        dscores *= weights
        if needs[0]:
            np.matmul(dscores, key_hse[heads, keys], out=dquery[heads, rows])
        if needs[1]:
            dkey[heads, keys] += dscores.mT @ query_hle[heads, rows]
        if dmask is not None:
            dmask[tile] = dscores
    return [dquery, dkey, dvalue, dmask, None]


def _tiles(heads: int, rows: int, keys: int, is_causal: bool) -> Iterator[Tile]:
    """All pairs of a query and a key, by tiles of about TILE_SCORES; none if there are none."""
    if not rows or not keys:
        return
    rows_most = TILE_ROWS if is_causal else max(1, TILE_SCORES // keys)
    rows_each = min(rows, rows_most)
    heads_each = max(1, TILE_SCORES // (rows_each * keys))
    for head in range(0, heads, heads_each):
        for row in range(0, rows, rows_each):
            end = min(row + rows_each, rows)
            seen = min(end, keys) if is_causal else keys
            yield Tile(slice(head, min(head + heads_each, heads)), slice(row, end), slice(0, seen))


def _normalize(scores: Array) -> None:
    """Softmax along the last axis, in place; zeros where all scores are -inf."""
    peak = scores.max(axis=-1, keepdims=True)
    np.copyto(peak, 0, where=peak == -np.inf)
    scores -= peak
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    np.copyto(total, 1, where=total == 0)
    scores /= total


def _hide_later(scores: Array, start: int) -> None:
    """-inf for keys after the query, whose number is `start` plus its row."""
    rows, keys = scores.shape[-2:]
    if keys > start:
        scores[..., start:] += _later(rows, keys - start, scores.dtype)


def _later(rows: int, keys: int, dtype: Any) -> Array:
    """-inf where the key's number exceeds the query's, else 0."""
    hidden = np.arange(keys) > np.arange(rows)[:, None]
    return np.where(hidden, -np.inf, 0.0).astype(dtype)


def _additive(mask: Array, dtype: Any) -> Array:
    """A mask to add to scores: -inf where a bool mask is False."""
    if mask.dtype == np.bool_:
        mask = np.where(mask, 0.0, -np.inf)
    return mask.astype(dtype, copy=False)


def _by_head(x: Array, lead: Shape) -> Array:
    """(..., n, m) as (heads, n, m)."""
    return np.broadcast_to(x, (*lead, *x.shape[-2:])).reshape(math.prod(lead), *x.shape[-2:])


def _extras(mask: Any, noise: Any, lead: Shape, dtype: Any) -> tuple[Array | None, Array | None]:
    """The mask, ready to be added, and the noise, both by head."""
    return (
        None if mask is None else _shared(_additive(mask, dtype), lead),
        None if noise is None else _shared(noise.astype(dtype, copy=False), lead),
    )


def _shared(x: Array, lead: Shape) -> Array:
    """(..., l, s) as (heads, l, s), or as (1, l, s) where all heads have the same."""
    if math.prod(x.shape[:-2]) == 1:
        return x.reshape(1, *x.shape[-2:])
    return _by_head(x, lead)


def _part(x_hls: Array, tile: Tile) -> Array:
    """What a tile sees of a mask, whose axes of size 1 stand for all."""
    return x_hls[
        tuple(at if size > 1 else slice(None) for at, size in zip(tile, x_hls.shape, strict=True))
    ]


def _noisy(weights: Array, noise_hls: Array | None, tile: Tile) -> Array:
    return weights if noise_hls is None else weights * _part(noise_hls, tile)


def _raw(value: Any) -> Any:
    return value._array if isinstance(value, Value) else value
