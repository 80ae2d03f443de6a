"""Averaged weights, against PyTorch's `swa_utils`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dtrain
from tests.parity.nn.both import assert_same_error, torch

rng = np.random.default_rng(3)
LIBRARIES = (dtrain, torch)
WEIGHTS = rng.normal(size=(4, 3, 2))
BATCHES = rng.normal(size=(5, 6, 2))


def swa(library: Any) -> Any:
    return library.optim.swa_utils


def double_and_add(average: Any, newest: Any, count: Any) -> Any:
    return average * 2 + newest / (count + 1)


AVERAGES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "mean": lambda s: {},
    "mean of lists": lambda s: {"multi_avg_fn": s.get_swa_multi_avg_fn()},
    "mean one by one": lambda s: {"avg_fn": s.get_swa_avg_fn()},
    "ema": lambda s: {"avg_fn": s.get_ema_avg_fn(0.9)},
    "ema of lists": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.3)},
    "own": lambda s: {"avg_fn": double_and_add},
}
CASES = [(name, use_buffers) for name in AVERAGES for use_buffers in (False, True)]
CASES.remove(("mean of lists", True))  # PyTorch refuses integers, which the count of batches is


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "use_buffers"), CASES)
def test_an_average_over_training_is_pytorchs(name: str, use_buffers: bool, dtype: str) -> None:
    states = []
    for library in LIBRARIES:
        kind = getattr(library, dtype)
        model = library.nn.Sequential(library.nn.Linear(2, 3), library.nn.BatchNorm1d(3)).to(kind)
        averaged = swa(library).AveragedModel(
            model, **AVERAGES[name](swa(library)), use_buffers=use_buffers
        )
        for weight, batch in zip(WEIGHTS, BATCHES, strict=False):
            model[0].load_state_dict(
                {"weight": library.tensor(weight), "bias": library.tensor(weight[:, 0])}
            )
            model(library.tensor(batch, dtype=kind))
            averaged.update_parameters(model)
        swa(library).update_bn([], averaged)
        states.append(averaged.state_dict())
    ours, theirs = states
    assert list(ours) == list(theirs)
    for key, mine in ours.items():
        assert str(mine.dtype) == str(theirs[key].dtype)
        np.testing.assert_allclose(
            mine.numpy(), theirs[key].numpy(), rtol=1e-5 if dtype == "float32" else 1e-12
        )


def test_update_bn_takes_the_statistics_of_all_batches() -> None:
    states = []
    for library in LIBRARIES:
        model = library.nn.Sequential(library.nn.BatchNorm1d(2, momentum=0.3)).double().eval()
        loader = [(library.tensor(each), 0) for each in BATCHES]
        swa(library).update_bn(loader, model)
        assert not model.training
        assert model[0].momentum == 0.3
        states.append(model.state_dict())
    for key, mine in states[0].items():
        np.testing.assert_allclose(mine.numpy(), states[1][key].numpy(), rtol=1e-12)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 7])
def test_swalr_has_pytorchs_rates(strategy: str, epochs: int) -> None:
    found = []
    for library in LIBRARIES:
        groups = [{"params": [library.ones(1, requires_grad=True)], "lr": lr} for lr in (0.1, 1.0)]
        optimizer = library.optim.SGD(groups, lr=0.1)
        before = library.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        schedule = swa(library).SWALR(optimizer, [0.05, 0.2], epochs, strategy)
        rates = []
        for step in range(12):
            optimizer.step()
            (schedule if step > 2 else before).step()
            rates.append([group["lr"] for group in optimizer.param_groups])
        state = schedule.state_dict()
        schedule.load_state_dict(state)
        found.append((rates, state))
    assert found[0] == found[1]


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "decay": lambda lib, s: s.get_ema_avg_fn(1.5),
    "decay of lists": lambda lib, s: s.get_ema_multi_avg_fn(-0.1),
    "two ways": lambda lib, s: s.AveragedModel(lib.nn.Linear(1, 1), None, max, max),
    "strategy": lambda lib, s: s.SWALR(sgd(lib), 0.1, anneal_strategy="up"),
    "epochs": lambda lib, s: s.SWALR(sgd(lib), 0.1, anneal_epochs=-1),
    "rates": lambda lib, s: s.SWALR(sgd(lib), [0.1, 0.2]),
}


def sgd(library: Any) -> Any:
    return library.optim.SGD([library.ones(1, requires_grad=True)], lr=0.1)


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_told_in_the_same_words(name: str) -> None:
    assert_same_error(
        lambda: WRONG[name](dtrain, swa(dtrain)), lambda: WRONG[name](torch, swa(torch))
    )
