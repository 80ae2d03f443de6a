"""Clipping, vectors, padding."""

import numpy as np
import pytest

import dtrain
from dtrain import nn
from dtrain.nn import utils


def parameter(*gradient: float) -> nn.Parameter:
    made = nn.Parameter(dtrain.zeros(len(gradient)))
    made.grad = dtrain.tensor(list(gradient))
    return made


def test_gradients_are_scaled_down_to_a_norm() -> None:
    parameters = [parameter(3.0), parameter(0.0, 4.0)]
    assert utils.clip_grad_norm_(parameters, 1.0).item() == 5.0
    np.testing.assert_allclose(parameters[0].grad.numpy(), [0.6], rtol=1e-6)
    np.testing.assert_allclose(parameters[1].grad.numpy(), [0.0, 0.8], rtol=1e-6)


def test_gradients_are_never_scaled_up() -> None:
    one = parameter(3.0, 4.0)
    utils.clip_grad_norm_(one, 100.0)
    assert one.grad.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("order", "norm"), [(1, 7.0), (2, 5.0), ("inf", 4.0), (-float("inf"), 3.0)]
)
def test_norms_of_every_order(order: float, norm: float) -> None:
    assert utils.get_total_norm([dtrain.tensor([3.0, -4.0])], order).item() == norm


def test_a_norm_that_is_not_finite_can_be_an_error() -> None:
    with pytest.raises(RuntimeError, match="is non-finite"):
        utils.clip_grad_norm_(parameter(float("nan")), 1.0, error_if_nonfinite=True)


def test_values_are_clipped_in_place() -> None:
    one = parameter(-3.0, 0.5)
    gradient = one.grad
    utils.clip_grad_value_(one, 1.0)
    assert gradient is one.grad
    assert one.grad.tolist() == [-1.0, 0.5]


def test_parameters_become_a_vector_and_come_back() -> None:
    layer = nn.Linear(2, 1)
    vector = utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (3,)
    utils.vector_to_parameters(dtrain.tensor([1.0, 2.0, 3.0]), layer.parameters())
    assert (layer.weight.tolist(), layer.bias.tolist()) == ([[1.0, 2.0]], [3.0])


def test_a_vector_that_is_too_short_is_refused() -> None:
    with pytest.raises(RuntimeError, match="invalid for input of size 3"):
        utils.vector_to_parameters(dtrain.zeros(3), nn.Linear(2, 2).parameters())


@pytest.mark.parametrize(
    ("side", "rows"), [("right", [[1, 2], [3, 0]]), ("left", [[1, 2], [0, 3]])]
)
def test_sequences_are_padded_on_a_side(side: str, rows: list[list[int]]) -> None:
    sequences = [dtrain.tensor([1, 2]), dtrain.tensor([3])]
    padded = utils.rnn.pad_sequence(sequences, batch_first=True, padding_side=side)
    assert padded.tolist() == rows


def test_padded_sequences_are_parted_by_their_lengths() -> None:
    padded = dtrain.tensor([[1, 2], [3, 0]])
    parted = utils.rnn.unpad_sequence(padded, dtrain.tensor([2, 1]), batch_first=True)
    assert [row.tolist() for row in parted] == [[1, 2], [3]]
