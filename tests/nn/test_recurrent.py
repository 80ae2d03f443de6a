"""Recurrent networks: layouts, states, and what is refused."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor
from dtrain.autograd.functions import from_numpy

rng = np.random.default_rng(14)
NETWORKS: dict[str, Any] = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_bits_do_not_depend_on_the_layout(name: str) -> None:
    network = NETWORKS[name](5, 7, bidirectional=True)
    x = rng.normal(size=(6, 3, 5)).astype("f")
    results = set()
    for each in (
        x,
        np.asfortranarray(x),
        np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0),
    ):
        network.zero_grad()
        out = network(from_numpy(each))[0]
        (out * out).sum().backward()
        gradients = (parameter.grad.numpy().tobytes() for parameter in network.parameters())
        results.add((out.detach().numpy().tobytes(), *gradients))
    assert len(results) == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_a_sequence_in_two_halves_is_the_whole_sequence(name: str) -> None:
    network = NETWORKS[name](5, 7, 2).double()
    x = tensor(rng.normal(size=(6, 3, 5)))
    whole, state = network(x)
    first, between = network(x[:4])
    second, after = network(x[4:], between)
    np.testing.assert_allclose(first.detach().numpy(), whole[:4].detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(second.detach().numpy(), whole[4:].detach().numpy(), rtol=1e-12)
    for one, other in zip(_flat(after), _flat(state), strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_cells_one_after_the_other_are_the_network(name: str) -> None:
    network = NETWORKS[name](5, 7).double()
    cell = getattr(nn, f"{name}Cell")(5, 7).double()
    state = {key.removesuffix("_l0"): value for key, value in network.state_dict().items()}
    cell.load_state_dict(state)
    x = tensor(rng.normal(size=(4, 3, 5)))
    hx = None
    for step, row in enumerate(network(x)[0]):
        hx = cell(x[step], hx)
        np.testing.assert_allclose(_flat(hx)[0].detach().numpy(), row.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_packed_sequences_run_as_each_does_alone(name: str) -> None:
    network = getattr(nn, name)(3, 4, 2, bidirectional=True).double()
    alone = [tensor(rng.normal(size=(length, 3))) for length in (2, 5, 1)]
    out, last = network(nn.utils.rnn.pack_sequence(alone, enforce_sorted=False))
    for at, (x, y) in enumerate(zip(alone, nn.utils.rnn.unpack_sequence(out), strict=True)):
        expected, its_last = network(x)
        np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
        for one, two in zip(_flat(last), _flat(its_last), strict=True):
            np.testing.assert_allclose(
                one[:, at].detach().numpy(), two.detach().numpy(), rtol=1e-12
            )


def test_what_is_no_tensor_is_refused_in_words() -> None:
    with pytest.raises(TypeError, match="LSTM takes a Tensor or a PackedSequence, not a tuple"):
        nn.LSTM(2, 3)((tensor([[1.0, 2.0]]), tensor([1])))  # type: ignore[arg-type]


def test_parameters_can_be_flattened_where_they_are() -> None:
    network = nn.LSTM(2, 3)
    before = [parameter._array for parameter in network.parameters()]
    network.flatten_parameters()
    assert all(a is b._array for a, b in zip(before, network.parameters(), strict=True))


def test_all_weights_are_listed_by_layer_and_direction() -> None:
    network = nn.GRU(2, 3, 2, bidirectional=True)
    assert [len(each) for each in network.all_weights] == [4] * 4
    assert network.all_weights[3][0] is network.weight_ih_l1_reverse


def _flat(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)
