"""Embeddings and one-hot vectors against PyTorch's."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor, wrap
from dtrain.nn import functional as F
from tests.parity.nn.both import (
    DTYPES,
    assert_close,
    assert_same,
    assert_same_error,
    assert_same_module,
    backward,
    modules,
    torch,
)

T = torch.nn.functional
rng = np.random.default_rng(4)

INDICES: dict[str, Any] = {
    "some": np.array([[1, 4, 1], [0, 4, 4]]),
    "one": np.array(2),
    "many of few rows": rng.integers(0, 3, (20, 9)),
    "none": np.zeros((0, 2), np.int64),
    "int32": np.array([3, 3, 0], np.int32),
    "not contiguous": rng.integers(0, 5, (4, 6))[::2, ::3].T,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"padding_idx": -1}, {"scale_grad_by_freq": True}])
@pytest.mark.parametrize("case", INDICES)
def test_embedding(case: str, options: Any, dtype: str) -> None:
    assert_same(
        lambda index, weight: F.embedding(index, weight, **options),
        lambda index, weight: T.embedding(index, weight, **options),
        (INDICES[case], rng.normal(size=(5, 3))),
        dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
def test_max_norm_shortens_the_rows_in_use(norm_type: float, dtype: str) -> None:
    rows = (rng.normal(size=(6, 4)) * 2).astype(dtype)
    mine, other = wrap(rows.copy()), torch.tensor(rows)
    index = np.array([0, 3, 3, 5])
    F.embedding(tensor(index), mine, None, 1.5, norm_type)
    T.embedding(torch.tensor(index), other, None, 1.5, norm_type)
    assert_close(mine, other, dtype)


BAGS: list[Any] = [
    (np.array([[1, 4, 1], [0, 2, 4]]), None, {}),
    (np.array([1, 4, 1, 0, 2, 4]), np.array([0, 2, 2, 5]), {}),
    (np.array([1, 4, 1, 0, 2, 4]), np.array([0, 2, 6]), {"include_last_offset": True}),
    (np.array([1, 4, 1, 0, 2, 4]), np.array([0, 1, 3]), {"padding_idx": 4}),
    (np.zeros((0, 3), np.int64), None, {}),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("bag", range(len(BAGS)))
def test_embedding_bag(bag: int, mode: str, dtype: str) -> None:
    index, offsets, options = BAGS[bag]
    assert_same(
        lambda i, w, o: F.embedding_bag(i, w, o, mode=mode, **options),
        lambda i, w, o: T.embedding_bag(i, w, o, mode=mode, **options),
        (index, rng.normal(size=(5, 3)), offsets),
        dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_bag_with_weights_of_its_own(dtype: str) -> None:
    assert_same(
        lambda i, w, p: F.embedding_bag(i, w, mode="sum", per_sample_weights=p, padding_idx=1),
        lambda i, w, p: T.embedding_bag(i, w, mode="sum", per_sample_weights=p, padding_idx=1),
        (np.array([[1, 4, 1], [0, 2, 4]]), rng.normal(size=(5, 3)), rng.normal(size=(2, 3))),
        dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Embedding", {}),
        ("Embedding", {"padding_idx": -2}),
        ("Embedding", {"padding_idx": 0, "max_norm": 1.0, "norm_type": 1.0}),
        ("Embedding", {"scale_grad_by_freq": True}),
        ("EmbeddingBag", {}),
        ("EmbeddingBag", {"mode": "sum", "padding_idx": 3, "max_norm": 2.0}),
        ("EmbeddingBag", {"mode": "max"}),
    ],
)
def test_a_module_starts_from_the_same_rows(name: str, options: Any, dtype: str) -> None:
    mine, other = modules(name, 7, 4, **options, dtype=dtype)
    assert repr(mine) == repr(other)
    index = np.array([[0, 3, 5], [6, 3, 0]])
    backward(mine(tensor(index)), other(torch.tensor(index)), dtype)
    assert_same_module(mine, other, dtype)


@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
@pytest.mark.parametrize("freeze", [True, False])
def test_from_pretrained(name: str, freeze: bool) -> None:
    rows = rng.normal(size=(4, 2))
    mine = getattr(nn, name).from_pretrained(tensor(rows), freeze=freeze)
    other = getattr(torch.nn, name).from_pretrained(torch.tensor(rows), freeze=freeze)
    assert mine.weight.requires_grad == other.weight.requires_grad
    index = np.array([[3, 1]])
    assert_close(mine(tensor(index)), other(torch.tensor(index)), "float64")


@pytest.mark.parametrize("labels", [[[0, 2], [1, 1]], 3, [0]])
def test_one_hot(labels: Any) -> None:
    for classes in (-1, 6):
        mine, other = F.one_hot(tensor(labels), classes), T.one_hot(torch.tensor(labels), classes)
        assert mine.tolist() == other.tolist()
        assert mine._array.dtype == np.int64


ERRORS: dict[str, Any] = {
    "an index out of range": lambda tensor, F, nn: F.embedding(tensor([5]), tensor([[1.0]])),
    "a negative index": lambda tensor, F, nn: F.embedding(tensor([-1]), tensor([[1.0]])),
    "an index that is a float": lambda tensor, F, nn: F.embedding(tensor([1.0]), tensor([[1.0]])),
    "a weight of one dimension": lambda tensor, F, nn: F.embedding(tensor([0]), tensor([1.0])),
    "a padding row out of range": lambda tensor, F, nn: nn.Embedding(3, 2, padding_idx=3),
    "padding in F": lambda tensor, F, nn: F.embedding(tensor([0]), tensor([[1.0]]), -2),
    "rows of another shape": lambda tensor, F, nn: nn.Embedding(2, 2, _weight=tensor([[1.0]])),
    "a vector to start from": lambda tensor, F, nn: nn.Embedding.from_pretrained(tensor([1.0])),
    "a bag without offsets": lambda tensor, F, nn: F.embedding_bag(tensor([0]), tensor([[1.0]])),
    "bags that begin late": lambda tensor, F, nn: F.embedding_bag(
        tensor([0, 0]), tensor([[1.0]]), tensor([1])
    ),
    "a mode that is none": lambda tensor, F, nn: F.embedding_bag(
        tensor([[0]]), tensor([[1.0]]), mode="median"
    ),
    "weights of a mean": lambda tensor, F, nn: F.embedding_bag(
        tensor([[0]]), tensor([[1.0]]), per_sample_weights=tensor([[1.0]])
    ),
    "weights of another shape": lambda tensor, F, nn: F.embedding_bag(
        tensor([[0]]), tensor([[1.0]]), per_sample_weights=tensor([1.0]), mode="sum"
    ),
    "a label that is a float": lambda tensor, F, nn: F.one_hot(tensor([1.0])),
    "a negative label": lambda tensor, F, nn: F.one_hot(tensor([-1])),
    "a label out of range": lambda tensor, F, nn: F.one_hot(tensor([3]), 3),
    "no labels": lambda tensor, F, nn: F.one_hot(tensor([0])[:0]),
}


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_input_is_an_error_of_the_same_class(case: str) -> None:
    assert_same_error(
        lambda: ERRORS[case](tensor, F, nn), lambda: ERRORS[case](torch.tensor, T, torch.nn)
    )
