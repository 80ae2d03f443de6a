"""Activations and losses: what they say of wrong input, what they make of none, layouts."""

import math
from typing import Any

import numpy as np
import pytest

from dtrain import nn, random
from dtrain.autograd import grad, tensor
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


@pytest.mark.parametrize(
    "name",
    ["gelu", "silu", "mish", "elu", "softplus", "logsigmoid", "hardswish", "leaky_relu", "sigmoid"],
)
def test_an_activation_gives_the_same_bits_for_any_layout_of_its_input(name: str) -> None:
    x = np.random.default_rng(5).normal(size=(37, 53)).astype("f") * 4
    spread = np.zeros((37, 106), "f")
    spread[:, ::2] = x
    results = set()
    for each in (x, np.asfortranarray(x), spread[:, ::2]):
        leaf = from_numpy(each).requires_grad_()
        out = getattr(F, name)(leaf)
        (out * out).sum().backward()
        results.add((out.detach().numpy().tobytes(), leaf.grad.numpy().tobytes()))
    assert len(results) == 1


def test_a_module_in_place_writes_into_its_input() -> None:
    x = tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0.0, 2.0]
    assert repr(nn.LeakyReLU(0.2, inplace=True)) == "LeakyReLU(negative_slope=0.2, inplace=True)"


def test_a_leaf_that_is_trained_cannot_be_activated_in_place() -> None:
    with pytest.raises(RuntimeError, match="leaf Variable"):
        F.elu(tensor([1.0], requires_grad=True), inplace=True)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: F.gelu(x, approximate="erf"), RuntimeError, "either none or tanh"),
        (lambda x: F.softmax(x.long(), 0), NotImplementedError, "not implemented for 'Long'"),
        (lambda x: F.glu(x), RuntimeError, "dimension 0 is size 3"),
        (lambda x: F.softmax(x, 1), IndexError, r"range of \[-1, 0\], but got 1"),
        (lambda x: F.prelu(x, tensor([0.1, 0.2])), RuntimeError, "parameter numbers = 2"),
        (lambda x: F.hardtanh(x, 1, -1), ValueError, "min_val cannot be greater"),
    ],
)
def test_what_an_activation_cannot_do_is_said(call: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call(tensor([1.0, 2.0, 3.0]))


def test_softmax_without_a_dimension_warns() -> None:
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert F.softmax(tensor([[1.0], [1.0]])).tolist() == [[1.0], [1.0]]


def test_a_hard_gumbel_softmax_is_one_hot_and_has_the_soft_ones_gradient() -> None:
    logits = tensor(np.random.default_rng(2).normal(size=(5, 4)), requires_grad=True)
    gradients = []
    for hard in (False, True):
        random.manual_seed(4)
        drawn = F.gumbel_softmax(logits, hard=hard)
        gradients.append(grad((drawn * drawn.detach().argmax(1, keepdim=True)).sum(), [logits])[0])
    np.testing.assert_allclose(drawn.detach().numpy().sum(1), 1)
    assert sorted(set(np.round(drawn.detach().numpy(), 12).ravel().tolist())) == [0.0, 1.0]
    np.testing.assert_allclose(gradients[0].numpy(), gradients[1].numpy(), atol=1e-15)


def test_a_random_slope_lies_in_its_range_and_is_drawn_below_zero_only() -> None:
    random.manual_seed(1)
    x = tensor([-1.0] * 500 + [1.0] * 500)
    out = F.rrelu(x, 0.25, 0.5, training=True).numpy()
    assert (out[500:] == 1).all()
    assert (out[:500] >= -0.5).all()
    assert (out[:500] <= -0.25).all()
    assert len(set(out[:500].tolist())) > 400
    assert F.rrelu(x[:1], 0.25, 0.5).tolist() == [-0.375]


def test_weighted_labels_average_by_their_weights() -> None:
    log = tensor(np.log([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]))
    loss = F.nll_loss(log, tensor([0, 1, -100]), tensor(np.array([1.0, 3.0])))
    assert loss.item() == pytest.approx(-(math.log(0.5) + 3 * math.log(0.75)) / 4, rel=1e-14)


def test_smoothed_labels_are_probabilities_of_their_own() -> None:
    scores = tensor(np.random.default_rng(3).normal(size=(4, 5)))
    labels = np.array([0, 3, 3, 1])
    smooth = np.full((4, 5), 0.2 / 5)
    smooth[np.arange(4), labels] += 0.8
    one = F.cross_entropy(scores, tensor(labels), label_smoothing=0.2)
    other = F.cross_entropy(scores, tensor(smooth))
    assert one.item() == pytest.approx(other.item(), rel=1e-14)


def test_pixels_are_rows_of_their_own() -> None:
    rng = np.random.default_rng(4)
    scores, labels = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    rows = tensor(scores.transpose(0, 2, 3, 1).reshape(-1, 3))
    one = F.cross_entropy(tensor(scores), tensor(labels), reduction="none")
    other = F.cross_entropy(rows, tensor(labels.reshape(-1)), reduction="none")
    np.testing.assert_array_equal(one.numpy().ravel(), other.numpy())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda x: F.cross_entropy(x, tensor([0, 1]), tensor([1.0])),
            RuntimeError,
            r"all 3 classes or no classes but got weight tensor of shape: \[1\]",
        ),
        (lambda x: F.cross_entropy(x, tensor([[0], [1]])), RuntimeError, "multi-target"),
        (lambda x: F.binary_cross_entropy(x, x), RuntimeError, "input should be between 0 and 1"),
        (lambda x: F.mse_loss(x, x, reduction="x"), ValueError, "x is not a valid value"),
        (lambda x: F.huber_loss(x, x, delta=0), RuntimeError, "non-positive values for delta"),
        (lambda x: F.gaussian_nll_loss(x, x, -x), ValueError, "negative entry/entries"),
        (lambda x: F.triplet_margin_loss(x, x, x, margin=0), ValueError, "greater than 0, got 0"),
        (lambda x: F.multi_margin_loss(x, tensor([0, 3])), RuntimeError, "target out of range"),
    ],
)
def test_what_a_loss_cannot_do_is_said(call: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call(tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]))


def test_old_arguments_of_a_loss_warn_and_rule() -> None:
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        loss = F.mse_loss(tensor([1.0, 2.0]), tensor([0.0, 0.0]), size_average=False)
    assert loss.item() == 5.0
    with pytest.warns(UserWarning, match="please use reduction='none' instead"):
        assert nn.L1Loss(reduce=False).reduction == "none"


def test_the_mean_of_kl_div_warns() -> None:
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(tensor([0.0]), tensor([1.0]))


def test_a_distance_function_of_ones_own_is_used() -> None:
    a, b, c = tensor([[0.0, 0.0]]), tensor([[3.0, 4.0]]), tensor([[0.0, 1.0]])
    loss = nn.TripletMarginWithDistanceLoss(
        distance_function=lambda x, y: (x - y).abs().amax(1), margin=0.5
    )
    assert loss(a, b, c).item() == 3.5


def test_lengths_are_one_after_normalize_and_zeros_stay() -> None:
    out = F.normalize(tensor([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(out.numpy(), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-7)
    target = tensor([[0.0, 0.0]])
    assert F.normalize(tensor([[3.0, 4.0]]), out=target) is target
