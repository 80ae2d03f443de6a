# mypy: disable-error-code="no-any-return"
"""Embeddings: tables of rows that are looked up by index."""

import numpy as np

from dtrain.autograd.dtypes import int32, int64
from dtrain.autograd.ops import embedding as tables
from dtrain.autograd.ops import shape
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.autograd.value import Array
from dtrain.nn.parameter import write

__all__ = ["embedding", "embedding_bag", "one_hot"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input].

    padding_idx: a row that has no gradient;  max_norm: rows that are used and longer than this are
    shortened first, in place;  scale_grad_by_freq: gradients of a row are divided by how often it
    is used.

    Shapes:  input any, integers in [0, rows);  weight (rows, d);  result (*input.shape, d).
    Raises:  IndexError for an index out of range; RuntimeError for shapes or dtypes that do not
             hold, and for `sparse`, because dtrain has no sparse gradients.
    """
    _refuse_sparse(sparse)
    indices = _indices(input, weight)
    padding = padding_row(padding_idx, weight.shape[0])
    if max_norm is not None:
        _shorten(weight, indices, max_norm, norm_type)
    return tables.embedding(
        weight,
        indices=indices,
        padding_idx=-1 if padding is None else padding,
        by_count=scale_grad_by_freq,
    )


def padding_row(padding_idx: int | None, rows: int, name: str = "Padding_idx") -> int | None:
    """The row that `padding_idx` means. Raises AssertionError, as PyTorch, for one out of range."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < max(rows, 1):
        raise AssertionError(f"{name} must be within num_embeddings")
    return padding_idx % rows if rows else padding_idx


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sum, mean or greatest of the rows of each bag of indices; zeros for an empty bag.

    Shapes:  input (bags, n), or (n) with offsets (bags), where the bags begin;  weight (rows, d);
             per_sample_weights as input, for "sum" alone;  result (bags, d).
    Raises:  ValueError for shapes or a mode that do not hold; the rest as for `embedding`.
    """
    _check_bags(input, weight, offsets, mode, scale_grad_by_freq, per_sample_weights)
    if sparse and mode == "max":
        raise ValueError("max mode does not support sparse weights")
    _refuse_sparse(sparse)
    indices = _indices(input, weight)
    if max_norm is not None:
        _shorten(weight, indices, max_norm, norm_type)
    starts = _starts(indices, offsets, include_last_offset)
    bag_n = np.searchsorted(starts, np.arange(indices.size), side="right") - 1
    padding = padding_row(padding_idx, weight.shape[0], "padding_idx")
    kept = np.flatnonzero(indices.reshape(-1) != (-1 if padding is None else padding))
    bag_n = bag_n[kept]
    rows = tables.embedding(weight, indices=indices.reshape(-1)[kept], by_count=scale_grad_by_freq)
    if mode == "max":
        return _greatest(rows, bag_n, len(starts))
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)[kept]
    total = tables.add_rows(rows, indices=bag_n, rows=len(starts))
    if mode == "sum":
        return total
    counts = np.maximum(np.bincount(bag_n, minlength=len(starts)), 1)
    return total / wrap(counts.astype(weight.dtype)[:, None])


def _check_bags(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None,
    mode: str,
    by_count: bool,
    per_sample_weights: Tensor | None,
) -> None:
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({list(per_sample_weights.shape)}) is not None, "
            f"then it must have the same shape as the input ({list(input.shape)})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if input.ndim not in (1, 2):
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
            f"fixed length sequences. However, found offsets of type {type(offsets)}"
        )
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        got = " but got None" if offsets is None else ""
        raise ValueError(f"offsets has to be a 1D Tensor{got}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and by_count:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}')."
        )


def _starts(indices: Array, offsets: Tensor | None, include_last: bool) -> Array:
    """Where each bag begins in the flat indices."""
    if offsets is None:
        return np.arange(len(indices)) * indices.shape[1]
    starts = offsets._array[:-1] if include_last else offsets._array
    if len(starts) and starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts[0]}"
        )
    if len(starts) and starts.max() > len(indices):
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {len(indices)} but got offsets[-1]"
            f" of {starts[-1]}"
        )
    return starts


def _greatest(rows: Tensor, bag_n: Array, bags: int) -> Tensor:
    """The first greatest element of each column in each bag; zeros for an empty one."""
    filled, first_b, count_b = np.unique(bag_n, return_index=True, return_counts=True)
    width, array = rows.shape[1], rows._array
    best = [
        start + array[start : start + count].argmax(axis=0)
        for start, count in zip(first_b.tolist(), count_b.tolist(), strict=True)
    ]
    row_bd = np.array(best, int64).reshape(len(filled), width)
    chosen = shape.index(rows, key=(row_bd, np.arange(width)))
    return tables.add_rows(chosen, indices=filled, rows=bags)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class, 0 elsewhere, int64.

    Shapes:  tensor any, int64;  result (*tensor.shape, num_classes), by default as many as needed.
    Raises:  RuntimeError for another dtype or a class out of range.
    """
    if tensor.dtype != int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    labels = tensor._array
    if not labels.size and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if labels.size and labels.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(labels.max()) + 1
    if num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    if labels.size and labels.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return wrap((labels[..., None] == np.arange(num_classes)).astype(int64))


def _indices(input: Tensor, weight: Tensor) -> Array:
    """The indices as an array, checked."""
    if input.dtype not in (int64, int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {input.dtype} instead (while checking arguments for embedding)"
        )
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    indices = input._array
    if indices.size and not 0 <= indices.min() <= indices.max() < weight.shape[0]:
        raise IndexError("index out of range in self")
    return indices


def _shorten(weight: Tensor, indices: Array, max_norm: float, norm_type: float) -> None:
    """Scale the rows in use down to a norm of at most `max_norm`, in PyTorch's arithmetic."""
    used = np.unique(indices)
    rows = weight._array[used]
    norms = np.linalg.norm(rows, norm_type, axis=1)
    long = norms > max_norm
    scale = (max_norm / (norms[long] + 1e-7)).astype(rows.dtype)
    if not long.any():
        return
    if not weight._array.flags.writeable:
        raise RuntimeError(
            "max_norm changes weights in forward, which the leaf of a job must not; "
            "bound them after the optimizer's step"
        )
    changed = weight._array.copy()
    changed[used[long]] = rows[long] * scale[:, None]
    write(weight, changed)


def _refuse_sparse(sparse: bool) -> None:
    if sparse:
        raise RuntimeError("dtrain has no sparse gradients; use sparse=False, which is as exact")
