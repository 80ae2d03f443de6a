"""Losses: what they say of wrong input, and what they make of none."""

import math

import numpy as np
import pytest

from dtrain.autograd import tensor
from dtrain.autograd.functions import from_numpy
from dtrain.nn import functional as F


def test_a_label_out_of_range_is_named() -> None:
    with pytest.raises(IndexError, match=r"^Target 10 is out of bounds\.$"):
        F.cross_entropy(tensor(np.zeros((2, 10))), tensor([3, 10]))


def test_labels_that_do_not_match_the_batch_are_counted() -> None:
    with pytest.raises(ValueError, match=r"batch_size \(2\) to match target batch_size \(3\)"):
        F.cross_entropy(tensor(np.zeros((2, 10))), tensor([1, 2, 3]))


def test_equal_scores_cost_the_logarithm_of_their_number() -> None:
    loss = F.cross_entropy(tensor(np.zeros((2, 10))), tensor([1, 2]))
    assert loss.item() == pytest.approx(math.log(10), rel=1e-15)


def test_huge_scores_do_not_overflow() -> None:
    logits = tensor([[1e4, -1e4]], requires_grad=True)
    loss = F.cross_entropy(logits, tensor([1]))
    loss.backward()
    assert loss.item() == 2e4
    assert logits.grad.tolist() == [[1.0, -1.0]]


def test_ignored_labels_have_no_gradient_even_if_all_are_ignored() -> None:
    logits = tensor(np.ones((2, 3)), requires_grad=True)
    loss = F.cross_entropy(logits, tensor([-100, -100]))
    loss.backward()
    assert math.isnan(loss.item())
    assert logits.grad.tolist() == [[0.0] * 3] * 2


def test_matrices_that_do_not_go_together_are_shown() -> None:
    with pytest.raises(RuntimeError, match=r"cannot be multiplied \(2x3 and 4x5\)"):
        F.linear(tensor(np.ones((2, 3))), tensor(np.ones((5, 4))))


def test_mse_of_two_shapes_warns() -> None:
    with pytest.warns(UserWarning, match="same size"):
        F.mse_loss(tensor([1.0, 2.0]), tensor([[1.0], [2.0]]))


@pytest.mark.parametrize("rows", [1, 3, 64, 400])
def test_linear_gives_the_same_bits_for_any_layout_of_its_input(rows: int) -> None:
    rng = np.random.default_rng(rows)
    x, w = rng.normal(size=(rows, 33)).astype("f"), rng.normal(size=(257, 33)).astype("f")
    spread = np.zeros((rows, 66), "f")
    spread[:, ::2] = x
    results = set()
    for each in (x, np.asfortranarray(x), spread[:, ::2]):
        weight = tensor(w, requires_grad=True)
        out = F.linear(from_numpy(each), weight)
        (out * out).sum().backward()
        results.add((out.detach().numpy().tobytes(), weight.grad.numpy().tobytes()))
    assert len(results) == 1
