# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Rows of a table by index, and the adjoint: rows added up by index, in their order."""

from typing import Any

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.op import op
from dtrain.autograd.ops.logic import where
from dtrain.autograd.value import Array


def _embedding_gradient(
    g: Any, weight_shape: tuple[int, ...], indices: Array, padding_idx: int, by_count: bool
) -> Any:
    """PyTorch's: nothing for the padding row; with `by_count` the mean over equal indices."""
    if padding_idx >= 0:
        g = where((indices != padding_idx)[..., None], g, 0.0)
    if by_count:
        counts = np.bincount(indices.reshape(-1), minlength=1)
        g = g * (1 / counts[indices]).astype(g.dtype)[..., None]
    return add_rows(g, indices=indices, rows=weight_shape[0])


@op(weight=_embedding_gradient)
def embedding(
    weight: Array, *, indices: Array, padding_idx: int = -1, by_count: bool = False
) -> Any:
    """weight[indices]: a row of a table (rows, d) for each index, shape (*indices.shape, d).

    `padding_idx` and `by_count` change the gradient alone, as in PyTorch.
    """
    return weight[indices]


@op(x=lambda g, indices: embedding(g, indices=indices))
def add_rows(x: Array, *, indices: Array, rows: int) -> Array:
    """A table (rows, d) of zeros, to which x[i] is added at row indices[i], in the order of i.

    Few distinct rows are summed one by one, many all at once: which way depends on the indices
    alone.
    """
    width = x.shape[-1]
    flat, at = canonical(x).reshape(indices.size, width), indices.reshape(-1)
    out = np.zeros((rows, width), x.dtype)
    order = np.argsort(at, kind="stable")
    ordered = at[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    if width == 1 or 8 * len(starts) >= len(at):
        elements = at[:, None] * width + np.arange(width)
        np.add.at(out.reshape(-1), elements.reshape(-1), flat.reshape(-1))
        return out
    ends = [*starts[1:].tolist(), len(at)]
    for start, end, row in zip(starts.tolist(), ends, ordered[starts].tolist(), strict=True):
        np.add.reduce(flat[order[start:end]], axis=0, out=out[row])
    return out
