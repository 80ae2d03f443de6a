"""Modules, losses and random numbers against PyTorch's."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn, random
from dtrain.autograd import tensor
from dtrain.nn import functional as F

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

rng = np.random.default_rng(11)
TOLERANCE: dict[Any, Any] = {
    np.float32: {"rtol": 1e-5, "atol": 1e-6},
    np.float64: {"rtol": 1e-12, "atol": 1e-14},
}


def network(lib: Any, dtype: Any = None) -> Any:
    return lib.Sequential(
        lib.Flatten(),
        lib.Linear(37, 19, dtype=dtype),
        lib.ReLU(),
        lib.Linear(19, 1, bias=False, dtype=dtype),
        lib.Tanh(),
        lib.Linear(1, 10, dtype=dtype),
        lib.Sigmoid(),
    )


@pytest.mark.parametrize("seed", [0, 1, 2**40 + 3, -1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_weights(seed: int, dtype: str) -> None:
    random.manual_seed(seed)
    torch.manual_seed(seed)
    ours, theirs = network(nn, dtype), network(torch.nn, getattr(torch, dtype))
    for mine, other in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert mine[0] == other[0]
        np.testing.assert_array_equal(mine[1].numpy(), other[1].numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rand_draws_the_same_bits(dtype: str) -> None:
    random.manual_seed(9)
    torch.manual_seed(9)
    for size in [(3,), (2, 5), (0,), (1000,), ()]:
        np.testing.assert_array_equal(
            random.rand(size, dtype=dtype).numpy(),
            torch.rand(size, dtype=getattr(torch, dtype)).numpy(),
        )


@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_randperm_is_the_same_order(n: int) -> None:
    ours, theirs = random.Generator(4), torch.Generator().manual_seed(4)
    for _ in range(2):
        expected = torch.randperm(n, generator=theirs)
        assert random.randperm(n, generator=ours).tolist() == expected.tolist()


def test_the_default_generator_starts_where_pytorchs_does() -> None:
    assert random.Generator().initial_seed() == torch.Generator().initial_seed()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_has_the_same_outputs_and_gradients(dtype: Any) -> None:
    name = np.dtype(dtype).name
    random.manual_seed(1)
    torch.manual_seed(1)
    ours, theirs = network(nn, dtype), network(torch.nn, getattr(torch, name))
    x, y = rng.normal(size=(8, 37)).astype(dtype), rng.integers(0, 10, 8)
    loss = nn.CrossEntropyLoss()(ours(tensor(x)), tensor(y))
    expected = torch.nn.CrossEntropyLoss()(theirs(torch.tensor(x)), torch.tensor(y))
    loss.backward()
    expected.backward()
    np.testing.assert_allclose(loss.item(), expected.item(), **TOLERANCE[dtype])
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), **TOLERANCE[dtype])


SCORES: dict[str, Any] = {
    "rows": (rng.normal(size=(6, 5)) * 30, np.array([0, 4, 1, 1, -100, 2])),
    "one": (rng.normal(size=5), np.array(3)),
    "pixels": (rng.normal(size=(2, 5, 3, 2)), rng.integers(0, 5, (2, 3, 2))),
    "ignored": (rng.normal(size=(2, 5)), np.array([-100, -100])),
    "nothing": (np.zeros((0, 5)), np.zeros(0, np.int64)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", SCORES)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_losses_of_labels(name: str, case: str, reduction: str, dtype: Any) -> None:
    scores, labels = SCORES[case]
    ours = tensor(scores.astype(dtype), requires_grad=True)
    theirs = torch.tensor(scores.astype(dtype), requires_grad=True)
    loss = getattr(F, name)(ours, tensor(labels), reduction=reduction)
    expected = getattr(torch.nn.functional, name)(theirs, torch.tensor(labels), reduction=reduction)
    assert loss.shape == tuple(expected.shape)
    np.testing.assert_allclose(loss.tolist(), expected.tolist(), **TOLERANCE[dtype])
    loss.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), **TOLERANCE[dtype])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse_loss(reduction: str) -> None:
    a, b = rng.normal(size=(2, 4, 3))
    ours, theirs = tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    nn.MSELoss(reduction=reduction)(ours, tensor(b)).sum().backward()
    torch.nn.MSELoss(reduction=reduction)(theirs, torch.tensor(b)).sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)


def test_state_dicts_go_from_one_to_the_other() -> None:
    ours, theirs = network(nn), network(torch.nn)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x = rng.normal(size=(4, 37)).astype(np.float32)
    np.testing.assert_allclose(
        ours(tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-5
    )


def test_load_state_dict_complains_in_pytorchs_words() -> None:
    ours, theirs = nn.Sequential(nn.Linear(2, 3)), torch.nn.Sequential(torch.nn.Linear(2, 3))
    state = {"0.weight": np.zeros((3, 4), np.float32), "1.scale": np.zeros(1, np.float32)}
    with pytest.raises(RuntimeError) as mine:
        ours.load_state_dict(state)
    with pytest.raises(RuntimeError) as other:
        theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    assert str(mine.value) == str(other.value)


def test_a_network_prints_as_pytorchs() -> None:
    assert repr(network(nn)) == repr(network(torch.nn))
