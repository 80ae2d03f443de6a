"""PyTorch's optimizer database: every optimizer that dtrain has, and that all schedules are
compared."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

from dtrain.optim import lr_scheduler  # noqa: E402
from tests.optim.schedules import SCHEDULES  # noqa: E402
from tests.parity.databases.optimizers import (  # noqa: E402  it needs PyTorch
    absent_optimizers,
    compare_optimizers,
    mistake,
    mistakes,
    optimizers,
    options,
)

NAMES = optimizers()
CASES = [
    pytest.param(name, kwargs, id=f"{name}-{'-'.join(kwargs)}")
    for name in NAMES
    for kwargs in options(name)
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_parameters_and_state_after_20_steps_are_pytorchs(
    name: str, kwargs: dict[str, Any], dtype: str
) -> None:
    compare_optimizers(name, kwargs, dtype, 20)


@pytest.mark.parametrize("name", NAMES)
def test_groups_with_rates_of_their_own_are_pytorchs(name: str) -> None:
    compare_optimizers(name, {}, "float64", 20, by_group=True)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_arguments_raise_what_pytorch_raises(name: str) -> None:
    said = [mistake(name, each) for each in mistakes(name)]
    assert not [text for text in said if text]


def test_what_dtrain_has_not_is_listed() -> None:
    assert absent_optimizers() == [
        "ASGD", "Adafactor", "LBFGS", "Muon", "Rprop", "SparseAdam",
    ]  # fmt: skip


def test_every_schedule_is_compared_with_pytorch() -> None:
    made = {name for name in lr_scheduler.__all__ if name != "LRScheduler"}
    assert made == {schedule.name for schedule in SCHEDULES}
