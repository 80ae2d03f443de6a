"""The sequences of rates, bit for bit PyTorch's: all schedules, one group and three."""

import copy
import warnings
from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import Tensor, wrap
from dtrain.optim import lr_scheduler
from tests.optim.schedules import IDS, SCHEDULES, Schedule, advance, drive, observed
from tests.optim.test_lr_scheduler import ERRORS

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

theirs_of = torch.optim.lr_scheduler
KINDS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"lr": 0.1, "betas": (0.9, 0.99)},
}


def ours_and_theirs(
    kind: str = "SGD", groups: int = 1, tensor: bool = False
) -> tuple[optim.Optimizer, Any]:
    """The same optimizer twice; with `tensor` its rates are 0-dim float32 tensors."""
    made = []
    for library in (optim, torch.optim):
        each: list[dict[str, Any]] = []
        for i in range(groups):
            rate: Any = 0.1 / (i + 1)
            if tensor:
                array = np.asarray(rate, "float32")
                rate = wrap(array) if library is optim else torch.tensor(array)
            each.append({"params": [_weight(library)], "lr": rate})
        made.append(getattr(library, kind)(each, **KINDS[kind]))
    return made[0], made[1]


def _weight(library: Any) -> Any:
    if library is optim:
        return wrap(np.ones(1, "float32"), requires_grad=True)
    return torch.ones(1, requires_grad=True)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_100_steps_have_pytorchs_rates_and_momenta(
    schedule: Schedule, kind: str, groups: int
) -> None:
    ours, theirs = ours_and_theirs(kind, groups)
    scheduler, other = schedule.make(lr_scheduler, ours), schedule.make(theirs_of, theirs)
    assert observed(ours) == observed(theirs)
    assert drive(ours, scheduler, 0, 100) == drive(theirs, other, 0, 100)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_rates_in_tensors_are_rounded_as_in_pytorch(schedule: Schedule) -> None:
    ours, theirs = ours_and_theirs(groups=2, tensor=True)
    scheduler, other = schedule.make(lr_scheduler, ours), schedule.make(theirs_of, theirs)
    assert drive(ours, scheduler, 0, 60) == drive(theirs, other, 0, 60)
    assert all(isinstance(rate, Tensor) for rate in scheduler.get_last_lr())


@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_a_rate_changed_by_hand_has_pytorchs_successors(schedule: Schedule) -> None:
    ours, theirs = ours_and_theirs(groups=2)
    scheduler, other = schedule.make(lr_scheduler, ours), schedule.make(theirs_of, theirs)
    for start in range(0, 60, 15):
        assert drive(ours, scheduler, start, start + 15) == drive(theirs, other, start, start + 15)
        for optimizer in (ours, theirs):
            optimizer.param_groups[1]["lr"] = 0.3 + start


@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_a_state_dict_is_pytorchs(schedule: Schedule) -> None:
    ours, theirs = ours_and_theirs(groups=2)
    scheduler, other = schedule.make(lr_scheduler, ours), schedule.make(theirs_of, theirs)
    for n in range(20):
        ours.step()
        theirs.step()
        advance(scheduler, n)
        advance(other, n)
    assert without_calls(scheduler.state_dict()) == without_calls(other.state_dict())


def without_calls(saved: Any) -> Any:
    """A user's function is called once for all groups here, and once for each in PyTorch."""
    if isinstance(saved, dict):
        return {key: without_calls(each) for key, each in saved.items() if key != "calls"}
    return [without_calls(each) for each in saved] if isinstance(saved, list) else saved


@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_a_state_dict_of_pytorchs_is_gone_on_from(schedule: Schedule) -> None:
    ours, theirs = ours_and_theirs(groups=2)
    other = schedule.make(theirs_of, theirs)
    drive(theirs, other, 0, 37)
    scheduler = schedule.make(lr_scheduler, ours)
    scheduler.load_state_dict(copy.deepcopy(other.state_dict()))
    ours.load_state_dict(theirs.state_dict())
    assert drive(ours, scheduler, 37, 90) == drive(theirs, other, 37, 90)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_pytorch_goes_on_from_a_state_dict_of_ours(schedule: Schedule) -> None:
    ours, theirs = ours_and_theirs(groups=2)
    scheduler = schedule.make(lr_scheduler, ours)
    drive(ours, scheduler, 0, 37)
    other = schedule.make(theirs_of, theirs)
    other.load_state_dict(copy.deepcopy(scheduler.state_dict()))
    theirs.load_state_dict(ours.state_dict())
    assert drive(ours, scheduler, 37, 90) == drive(theirs, other, 37, 90)


def jumped(scheduler: Any, epochs: list[Any]) -> list[Any]:
    seen = []
    for epoch in epochs:
        scheduler.step(epoch)
        seen.append((scheduler.last_epoch, observed(scheduler.optimizer)))
    return seen


@pytest.mark.filterwarnings("ignore:The epoch parameter in:UserWarning")
@pytest.mark.parametrize(
    "schedule",
    [
        s
        for s in SCHEDULES
        if s.name not in ("SequentialLR", "ChainedScheduler", "ReduceLROnPlateau")
    ],
)
def test_a_given_epoch_gives_pytorchs_rate(schedule: Schedule) -> None:
    ours, theirs = ours_and_theirs(groups=2)
    scheduler, other = schedule.make(lr_scheduler, ours), schedule.make(theirs_of, theirs)
    ours.step()
    theirs.step()
    epochs = [3, 7, None, 40, 2, None, 99]
    assert jumped(scheduler, epochs) == jumped(other, epochs)


def test_restarts_take_fractions_of_epochs() -> None:
    ours, theirs = ours_and_theirs()
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(ours, 3, 2)
    other = theirs_of.CosineAnnealingWarmRestarts(theirs, 3, 2)
    epochs = [i / 7 for i in range(100)]
    assert jumped(scheduler, epochs) == jumped(other, epochs)


RESUMED: list[Any] = [
    lambda s, o: s.LambdaLR(o, lambda n: 0.9**n, last_epoch=10),
    lambda s, o: s.MultiplicativeLR(o, lambda n: 0.9, last_epoch=10),
    lambda s, o: s.StepLR(o, 4, last_epoch=10),
    lambda s, o: s.MultiStepLR(o, [5, 11, 20], last_epoch=10),
    lambda s, o: s.ConstantLR(o, last_epoch=10),
    lambda s, o: s.LinearLR(o, total_iters=20, last_epoch=10),
    lambda s, o: s.ExponentialLR(o, 0.9, last_epoch=10),
    lambda s, o: s.PolynomialLR(o, 20, last_epoch=10),
    lambda s, o: s.CosineAnnealingLR(o, 20, last_epoch=10),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 7, last_epoch=10),
    lambda s, o: s.CyclicLR(o, 0.1, 0.2, 8, last_epoch=10, cycle_momentum=False),
]


@pytest.mark.parametrize("make", RESUMED)
def test_beginning_in_the_middle_is_as_in_pytorch(make: Any) -> None:
    ours, theirs = ours_and_theirs()
    for optimizer in (ours, theirs):
        optimizer.param_groups[0]["initial_lr"] = 0.7
    scheduler, other = make(lr_scheduler, ours), make(theirs_of, theirs)
    assert observed(ours) == observed(theirs)
    assert drive(ours, scheduler, 11, 30) == drive(theirs, other, 11, 30)


# ------------------------------------------------------------------------------- words


def warned(library: Any, optimizer: Any, act: Any) -> list[tuple[str, str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act(library.StepLR(optimizer, 3), optimizer)
    return [(w.category.__name__, str(w.message)) for w in caught]


def overridden(scheduler: Any, optimizer: Any) -> None:
    optimizer.step = lambda: None
    scheduler.step()


@pytest.mark.parametrize(
    "act",
    [
        lambda scheduler, optimizer: scheduler.step(),
        lambda scheduler, optimizer: (optimizer.step(), scheduler.step()),
        lambda scheduler, optimizer: (optimizer.step(), scheduler.step(5)),
        lambda scheduler, optimizer: scheduler.get_lr(),
        overridden,
    ],
    ids=["step first", "step second", "epoch", "get_lr", "overridden"],
)
def test_warnings_are_pytorchs(act: Any) -> None:
    ours, theirs = ours_and_theirs()
    assert warned(lr_scheduler, ours, act) == warned(theirs_of, theirs, act)


class Mixed:
    """PyTorch's schedulers for the mistakes that are written for dtrain's: they take an optimizer
    of PyTorch's in the place of every one of dtrain's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tests.optim.test_lr_scheduler.sgd", self.sgd)
        monkeypatch.setattr("tests.optim.test_lr_scheduler.optim", torch.optim)
        monkeypatch.setattr(
            "tests.optim.test_lr_scheduler.parameter",
            lambda array: torch.from_numpy(array).requires_grad_(),
        )

    @staticmethod
    def sgd() -> Any:
        return ours_and_theirs()[1]


@pytest.mark.parametrize(("kind", "message", "act"), ERRORS, ids=[m for _, m, _ in ERRORS])
def test_our_mistakes_are_mistakes_in_pytorch(
    kind: type[Exception], message: str, act: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Mixed(monkeypatch)
    with pytest.raises(kind) as error:
        act(theirs_of)
    assert message in str(error.value)
