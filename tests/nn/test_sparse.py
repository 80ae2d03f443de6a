"""Embeddings: the order in which gradients add up, and what is refused."""

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor
from dtrain.autograd.ops.embedding import add_rows
from dtrain.nn import functional as F

rng = np.random.default_rng(13)


@pytest.mark.parametrize("rows", [3, 200])
def test_rows_add_up_in_the_order_of_their_indices(rows: int) -> None:
    x, indices = rng.normal(size=(300, 5)).astype("f"), rng.integers(0, rows, 300)
    expected = np.zeros((rows, 5), "f")
    for row, values in zip(indices, x, strict=True):
        expected[row] += values
    assert add_rows(x, indices=indices, rows=rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("rows", [3, 200])
def test_an_infinite_gradient_stays_in_its_row(rows: int) -> None:
    x, indices = np.ones((300, 1)), np.arange(300) % rows
    x[0] = np.inf
    table = add_rows(x, indices=indices, rows=rows)
    assert np.isinf(table).sum() == 1


def test_the_padding_row_starts_as_zeros_and_stays() -> None:
    layer = nn.Embedding(4, 2, padding_idx=1)
    layer(tensor([1, 2, 1])).sum().backward()
    assert layer.weight[1].tolist() == [0.0, 0.0]
    assert layer.weight.grad.tolist() == [[0, 0], [0, 0], [1, 1], [0, 0]]


def test_sparse_gradients_are_refused_in_words() -> None:
    with pytest.raises(RuntimeError, match="no sparse gradients; use sparse=False"):
        nn.Embedding(3, 2, sparse=True)(tensor([0]))


def test_max_norm_in_a_leaf_says_why_it_cannot_be() -> None:
    layer = nn.Embedding(3, 2, max_norm=0.1)
    layer.weight._array.flags.writeable = False  # a leaf sees the run's own weights
    with pytest.raises(RuntimeError, match="the leaf of a job must not"):
        layer(tensor([0]))


def test_an_index_out_of_range_is_told_in_pytorchs_words() -> None:
    with pytest.raises(IndexError, match=r"^index out of range in self$"):
        F.embedding(tensor([3]), tensor([[1.0]]))


def test_one_hot_is_one_at_the_class() -> None:
    assert F.one_hot(tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
