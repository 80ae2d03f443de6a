"""Schedules of rates, beside their formulas; checkpoints, warnings and errors."""

import copy
import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import wrap
from dtrain.optim import lr_scheduler
from tests.optim.samples import parameter
from tests.optim.schedules import IDS, SCHEDULES, Schedule, advance, drive, observed


def sgd(groups: int = 1, lr: Any = 0.1) -> optim.SGD:
    each = [{"params": [parameter(np.ones(1, "float32"))]} for _ in range(groups)]
    for i, group in enumerate(each[1:], 1):
        group["lr"] = lr / (i + 1)
    return optim.SGD(each, lr=lr, momentum=0.9)


def rates(scheduler: Any, optimizer: optim.Optimizer, steps: int) -> list[float]:
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_every_scheduler_has_a_schedule() -> None:
    assert set(lr_scheduler.__all__) - {"LRScheduler"} == {s.name for s in SCHEDULES}


# ------------------------------------------------------------------------------- the formulas


def cosine(n: int) -> float:
    return 0.01 + 0.09 * (1 + math.cos(math.pi * n / 15)) / 2


FORMULAS: list[tuple[Callable[[optim.SGD], Any], Callable[[int], float]]] = [
    (lambda o: lr_scheduler.LambdaLR(o, lambda n: 1 / (n + 1)), lambda n: 0.1 / (n + 1)),
    (lambda o: lr_scheduler.MultiplicativeLR(o, lambda n: 0.9), lambda n: 0.1 * 0.9**n),
    (lambda o: lr_scheduler.StepLR(o, 7, 0.5), lambda n: 0.1 * 0.5 ** (n // 7)),
    (lambda o: lr_scheduler.MultiStepLR(o, [5, 9]), lambda n: 0.1 * 0.1 ** ((n > 4) + (n > 8))),
    (lambda o: lr_scheduler.ConstantLR(o, 0.5, 6), lambda n: 0.05 if n < 6 else 0.1),
    (lambda o: lr_scheduler.LinearLR(o, 0.5, 1.0, 8), lambda n: 0.1 * (0.5 + min(n, 8) / 16)),
    (lambda o: lr_scheduler.ExponentialLR(o, 0.9), lambda n: 0.1 * 0.9**n),
    (lambda o: lr_scheduler.PolynomialLR(o, 50, 2.0), lambda n: 0.1 * (1 - n / 50) ** 2),
    (lambda o: lr_scheduler.CosineAnnealingLR(o, 15, 0.01), cosine),
    (
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10),
        lambda n: 0.1 * (1 + math.cos(math.pi * (n % 10) / 10)) / 2,
    ),
    (
        lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, 5),
        lambda n: 0.1 + 0.1 * (1 - abs(n % 10 / 5 - 1)),
    ),
    (
        lambda o: lr_scheduler.OneCycleLR(o, 2.5, 41, pct_start=11 / 41, anneal_strategy="linear"),
        lambda n: 0.1 + 0.24 * n if n <= 10 else 2.5 - (2.5 - 1e-5) * (n - 10) / 30,
    ),
    (
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.ExponentialLR(o, 0.9), lr_scheduler.StepLR(o, 2, 0.5)]
        ),
        lambda n: 0.1 * 0.9**n * 0.5 ** (n // 2),
    ),
    (
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.ConstantLR(o, 0.5, 99), lr_scheduler.StepLR(o, 3, 0.5)], [10]
        ),
        lambda n: 0.05 if n < 10 else 0.1 * 0.5 ** ((n - 10) // 3),
    ),
]


@pytest.mark.parametrize(("make", "formula"), FORMULAS)
def test_rates_follow_the_formula(make: Any, formula: Callable[[int], float]) -> None:
    optimizer = sgd()
    found = rates(make(optimizer), optimizer, 40)
    np.testing.assert_allclose(found, [formula(n) for n in range(41)], rtol=1e-9, atol=1e-12)


def test_every_schedule_that_has_a_formula_is_held_against_it() -> None:
    named = {type(make(sgd())).__name__ for make, _ in FORMULAS}
    assert named == set(lr_scheduler.__all__) - {"LRScheduler", "ReduceLROnPlateau"}


def test_the_rate_falls_when_the_measure_stays() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, cooldown=1)
    found = []
    for _ in range(10):
        scheduler.step(1.0)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == [0.1] * 3 + [0.05] * 4 + [0.025] * 3


def test_a_measure_may_be_a_tensor() -> None:
    scheduler = lr_scheduler.ReduceLROnPlateau(sgd())
    scheduler.step(wrap(np.asarray(0.5, "float32")))
    assert scheduler.best == 0.5


def test_momentum_goes_against_the_rate() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, 21, pct_start=11 / 21)
    momenta = [optimizer.param_groups[0]["momentum"]]
    for _ in range(20):
        optimizer.step()
        scheduler.step()
        momenta.append(optimizer.param_groups[0]["momentum"])
    np.testing.assert_allclose([momenta[0], momenta[10], momenta[20]], [0.95, 0.85, 0.95])


def test_adams_beta1_is_the_momentum_that_cycles() -> None:
    optimizer = optim.Adam([parameter(np.ones(1, "float32"))])
    lr_scheduler.CyclicLR(optimizer, 0.1, 0.2)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    lr_scheduler.OneCycleLR(optimizer, 0.1, 10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.999)


# ------------------------------------------------------------------------------- what all share


@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_a_loaded_state_goes_on_with_the_same_rates(schedule: Schedule) -> None:
    optimizer = sgd(2)
    scheduler = schedule.make(lr_scheduler, optimizer)
    drive(optimizer, scheduler, 0, 37)
    resumed = sgd(2, lr=5.0)
    other = schedule.make(lr_scheduler, resumed)
    other.load_state_dict(copy.deepcopy(scheduler.state_dict()))
    resumed.load_state_dict(optimizer.state_dict())
    assert drive(resumed, other, 37, 90) == drive(optimizer, scheduler, 37, 90)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_loading_leaves_the_loaded_dict_as_it_is(schedule: Schedule) -> None:
    optimizer = sgd()
    scheduler = schedule.make(lr_scheduler, optimizer)
    saved = scheduler.state_dict()
    keys = list(saved)
    schedule.make(lr_scheduler, sgd()).load_state_dict(saved)
    assert list(saved) == keys


@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_a_deep_copy_has_an_optimizer_of_its_own_and_goes_on_alike(schedule: Schedule) -> None:
    optimizer = sgd(2)
    scheduler = schedule.make(lr_scheduler, optimizer)
    drive(optimizer, scheduler, 0, 20)
    other = copy.deepcopy(scheduler)
    assert other.optimizer is not optimizer
    assert drive(other.optimizer, other, 20, 40) == drive(optimizer, scheduler, 20, 40)


@pytest.mark.parametrize(
    "schedule", [s for s in SCHEDULES if s.name not in ("LambdaLR", "MultiplicativeLR")]
)
def test_a_pickle_goes_on_with_the_same_rates(schedule: Schedule) -> None:
    optimizer = sgd(2)
    scheduler = schedule.make(lr_scheduler, optimizer)
    other = pickle.loads(pickle.dumps(scheduler))
    assert drive(other.optimizer, other, 0, 40) == drive(optimizer, scheduler, 0, 40)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=IDS)
def test_a_rate_in_a_tensor_is_changed_in_place(schedule: Schedule) -> None:
    rate = wrap(np.asarray(0.1, "float64"))
    optimizer, other = sgd(lr=rate), sgd()
    tensors, numbers = (schedule.make(lr_scheduler, o) for o in (optimizer, other))
    assert drive(optimizer, tensors, 0, 50) == drive(other, numbers, 0, 50)
    assert optimizer.param_groups[0]["lr"] is rate
    assert tensors.get_last_lr()[0] is not rate


@pytest.mark.parametrize("schedule", [s for s in SCHEDULES if s.has_closed_form])
def test_a_given_epoch_is_where_steps_would_lead(schedule: Schedule) -> None:
    optimizer, jumping = sgd(2), sgd(2)
    scheduler, other = (schedule.make(lr_scheduler, o) for o in (optimizer, jumping))
    optimizer.step()
    jumping.step()
    for n in range(33):
        advance(scheduler, n)
    with pytest.warns(UserWarning, match="epoch parameter in"):
        other.step(33)
    assert other.last_epoch == scheduler.last_epoch == 33
    np.testing.assert_allclose(other.get_last_lr(), scheduler.get_last_lr(), rtol=1e-9, atol=1e-15)


def test_a_rate_changed_by_hand_is_gone_on_from() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 8.0
    scheduler.step()
    assert scheduler.get_last_lr() == [4.0]


def test_a_scheduler_can_begin_in_the_middle() -> None:
    optimizer = sgd()
    optimizer.param_groups[0]["initial_lr"] = 0.4
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda n: 0.5**n, last_epoch=1)
    assert (scheduler.last_epoch, scheduler.get_last_lr()) == (2, [0.1])


def test_beginning_in_the_middle_needs_the_initial_rate() -> None:
    with pytest.raises(KeyError, match=r"'initial_lr' is not specified in param_groups\[0\]"):
        lr_scheduler.StepLR(sgd(), 3, last_epoch=1)


def test_a_user_may_write_a_scheduler_of_his_own() -> None:
    class Halving(lr_scheduler.LRScheduler):
        def get_lr(self) -> list[Any]:
            return [group["lr"] / 2 for group in self.optimizer.param_groups]

    optimizer = sgd()
    scheduler = Halving(optimizer)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.025]


def test_a_group_added_later_is_reduced_as_well() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    optimizer.add_param_group({"params": [parameter(np.ones(1, "float32"))]})
    scheduler.step(1.0)
    scheduler.step(1.0)
    np.testing.assert_allclose(scheduler.get_last_lr(), [0.01, 0.01])


# ------------------------------------------------------------------------------- warnings


def test_a_scheduler_that_steps_first_warns_once() -> None:
    scheduler = lr_scheduler.StepLR(sgd(), 3)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before") as w:
        scheduler.step()
    scheduler.step()  # a second warning would be an error
    assert [warning.filename for warning in w] == [__file__]


def test_a_scheduler_that_steps_second_does_not_warn() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


def test_an_overridden_step_is_warned_about() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    optimizer.step = lambda: None  # type: ignore[method-assign, assignment]
    with pytest.warns(UserWarning, match=r"`optimizer.step\(\)` has been overridden"):
        scheduler.step()


def test_get_lr_is_for_step_alone() -> None:
    scheduler = lr_scheduler.StepLR(sgd(), 3)
    with pytest.warns(UserWarning, match=r"please use `get_last_lr\(\)`"):
        scheduler.get_lr()


# ------------------------------------------------------------------------------- errors

ERRORS: list[tuple[type[Exception], str, Callable[[Any], Any]]] = [
    (TypeError, "int is not an Optimizer", lambda s: s.StepLR(5, 3)),
    (TypeError, "int is not an Optimizer", lambda s: s.CyclicLR(5, 0.1, 0.2)),
    (TypeError, "int is not an Optimizer", lambda s: s.OneCycleLR(5, 0.1, 10)),
    (TypeError, "int is not an Optimizer", lambda s: s.ReduceLROnPlateau(5)),
    (ValueError, "Expected 1 lr_lambdas, but got 2", lambda s: s.LambdaLR(sgd(), [abs, abs])),
    (
        TypeError,
        "lr_lambda should be a function, but got int",
        lambda s: s.MultiplicativeLR(sgd(), 3),
    ),
    (ValueError, "Constant multiplicative factor", lambda s: s.ConstantLR(sgd(), 2.0)),
    (ValueError, "Starting multiplicative factor", lambda s: s.LinearLR(sgd(), 0.0)),
    (ValueError, "Ending multiplicative factor", lambda s: s.LinearLR(sgd(), 0.5, 2.0)),
    (
        ValueError,
        "Expected positive integer T_0, but got 0",
        lambda s: s.CosineAnnealingWarmRestarts(sgd(), 0),
    ),
    (
        ValueError,
        "Expected integer T_mult >= 1, but got 0",
        lambda s: s.CosineAnnealingWarmRestarts(sgd(), 1, 0),
    ),
    (
        ValueError,
        "Expected float or int eta_min, but got x",
        lambda s: s.CosineAnnealingWarmRestarts(sgd(), 1, 1, "x"),
    ),
    (
        ValueError,
        "Expected non-negative epoch, but got -1",
        lambda s: s.CosineAnnealingWarmRestarts(sgd(), 5).step(-1),
    ),
    (ValueError, "mode is invalid", lambda s: s.CyclicLR(sgd(), 0.1, 0.2, mode="x")),
    (
        ValueError,
        "max_lr has 2 values, param_groups has 1",
        lambda s: s.CyclicLR(sgd(), 0.1, [0.2, 0.3]),
    ),
    (
        ValueError,
        "optimizer must support momentum or beta1",
        lambda s: s.CyclicLR(optim.Adagrad([parameter(np.ones(1))]), 0.1, 0.2),
    ),
    (
        ValueError,
        "optimizer must support momentum or beta1",
        lambda s: s.OneCycleLR(optim.Adagrad([parameter(np.ones(1))]), 0.1, 10),
    ),
    (ValueError, "You must define either total_steps OR", lambda s: s.OneCycleLR(sgd(), 0.1)),
    (
        ValueError,
        "Expected positive integer total_steps, but got -1",
        lambda s: s.OneCycleLR(sgd(), 0.1, -1),
    ),
    (
        ValueError,
        "Expected positive integer epochs, but got 0",
        lambda s: s.OneCycleLR(sgd(), 0.1, epochs=0, steps_per_epoch=1),
    ),
    (
        ValueError,
        "Expected float between 0 and 1 pct_start, but got 2",
        lambda s: s.OneCycleLR(sgd(), 0.1, 10, pct_start=2),
    ),
    (
        ValueError,
        "anneal_strategy must be one of 'cos' or 'linear', instead got x",
        lambda s: s.OneCycleLR(sgd(), 0.1, 10, anneal_strategy="x"),
    ),
    (
        ValueError,
        "Tried to step 3 times. The specified number of total steps is 2",
        lambda s: drive(*_pair(s.OneCycleLR(sgd(), 0.1, 2)), 0, 9),
    ),
    (ValueError, "expects at least one scheduler", lambda s: s.SequentialLR(sgd(), [], [])),
    (
        ValueError,
        "number of milestones to be equal to 1",
        lambda s: s.SequentialLR(*_both(s.StepLR(sgd(), 3)), [1]),
    ),
    (
        ValueError,
        "SequentialLR does not support `ReduceLROnPlateau`",
        lambda s: s.SequentialLR(*_both(s.ReduceLROnPlateau(sgd())), []),
    ),
    (
        ValueError,
        "expects all schedulers to belong to the same optimizer",
        lambda s: s.SequentialLR(sgd(), [s.StepLR(sgd(), 3)], []),
    ),
    (
        TypeError,
        "should have `optimizer` as its attribute",
        lambda s: s.SequentialLR(sgd(), [5], []),
    ),
    (ValueError, "expects at least one scheduler to be chained", lambda s: s.ChainedScheduler([])),
    (
        ValueError,
        "ChainedScheduler does not support `ReduceLROnPlateau`",
        lambda s: s.ChainedScheduler([s.ReduceLROnPlateau(sgd())]),
    ),
    (
        ValueError,
        "expects all schedulers to belong to the same optimizer",
        lambda s: s.ChainedScheduler([s.StepLR(sgd(), 3), s.StepLR(sgd(), 3)]),
    ),
    (ValueError, "Factor should be < 1.0.", lambda s: s.ReduceLROnPlateau(sgd(), factor=1.0)),
    (ValueError, "mode x is unknown!", lambda s: s.ReduceLROnPlateau(sgd(), "x")),
    (
        ValueError,
        "threshold mode x is unknown!",
        lambda s: s.ReduceLROnPlateau(sgd(), threshold_mode="x"),
    ),
    (
        ValueError,
        "expected 1 min_lrs, got 2",
        lambda s: s.ReduceLROnPlateau(sgd(), min_lr=[0.1, 0.2]),
    ),
    (NotImplementedError, "", lambda s: s.LRScheduler(sgd())),
]


def _pair(scheduler: Any) -> tuple[Any, Any]:
    return scheduler.optimizer, scheduler


def _both(scheduler: Any) -> tuple[Any, list[Any]]:
    return scheduler.optimizer, [scheduler]


@pytest.mark.parametrize(("kind", "message", "act"), ERRORS, ids=[m for _, m, _ in ERRORS])
def test_a_mistake_is_refused_in_pytorchs_words(
    kind: type[Exception], message: str, act: Callable[[Any], Any]
) -> None:
    with pytest.raises(kind) as error:
        act(lr_scheduler)
    assert message in str(error.value)


def test_groups_beyond_a_list_of_least_rates_are_an_error() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.1])
    optimizer.add_param_group({"params": [parameter(np.ones(1, "float32"))]})
    scheduler.step(1.0)
    with pytest.raises(RuntimeError, match="number of param groups in the `optimizer`"):
        scheduler.step(1.0)


def test_a_scheduler_leaves_nothing_on_the_optimizer_but_groups() -> None:
    optimizer = sgd()
    before = set(vars(optimizer))
    lr_scheduler.StepLR(optimizer, 3)
    assert set(vars(optimizer)) == before
    assert observed(optimizer) == [(0.1, 0.9, None)]
