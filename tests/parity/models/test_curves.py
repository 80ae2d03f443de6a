"""Same seed, same script, PyTorch and dtrain: equal weights to begin with, then equal losses."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import dtrain
from tests.parity.models.models import CASES, SEED, batches

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

STEPS = {"float64": 50, "float32": 20}
RTOL = {"float64": 1e-9, "float32": 1e-3}
OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "Adam": lambda lib, parameters: lib.optim.Adam(parameters, lr=0.01),
    "SGD": lambda lib, parameters: lib.optim.SGD(parameters, lr=0.1, momentum=0.9),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """PyTorch in one thread: these models are too small for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def model(lib: Any, name: str, dtype: str) -> Any:
    lib.manual_seed(SEED)
    return CASES[name].make(lib).to(getattr(lib, dtype))


def losses(lib: Any, name: str, optimizer: str, dtype: str) -> list[float]:
    """Train for a while: the script, whose only variable is the library."""
    net = model(lib, name, dtype)
    rule = OPTIMIZERS[optimizer](lib, net.parameters())
    data = [(lib.tensor(x), lib.tensor(y)) for x, y in batches(CASES[name], dtype)]
    curve = []
    for step in range(STEPS[dtype]):
        inputs, labels = data[step % len(data)]
        loss = lib.nn.functional.cross_entropy(net(inputs), labels)
        rule.zero_grad()
        loss.backward()
        rule.step()
        curve.append(loss.item())
    return curve


@pytest.mark.parametrize("dtype", STEPS)
@pytest.mark.parametrize("name", CASES)
def test_the_same_seed_gives_the_same_weights_bit_for_bit(name: str, dtype: str) -> None:
    ours, theirs = (model(lib, name, dtype).state_dict() for lib in (dtrain, torch))
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        np.testing.assert_array_equal(ours[key].numpy(), value.numpy())


@pytest.mark.parametrize("dtype", STEPS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", CASES)
def test_the_same_script_gives_the_same_losses(name: str, optimizer: str, dtype: str) -> None:
    ours, theirs = (losses(lib, name, optimizer, dtype) for lib in (dtrain, torch))
    assert sum(theirs[-2:]) < 0.95 * sum(theirs[:2]), "nothing is learned: it says little"
    np.testing.assert_allclose(ours, theirs, rtol=RTOL[dtype])
