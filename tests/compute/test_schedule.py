"""Which samples make up each step and leaf."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain.errors import JobError, SettingError
from dtrain.schedule import Batch, Schedule


def schedule(**changes: Any) -> Schedule:
    plan: dict[str, Any] = {"samples": 10, "batch_size": 4, "micro_batches": 2, "epochs": 2}
    return Schedule(**{**plan, **changes})


plans = st.builds(
    Schedule,
    samples=st.integers(1, 100),
    batch_size=st.integers(1, 40),
    micro_batches=st.integers(1, 40),
    epochs=st.integers(1, 3),
    eval_samples=st.integers(0, 30),
    eval_batch_size=st.integers(1, 12),
)


@given(plans)
def test_every_sample_is_in_one_leaf_of_each_epoch(plan: Schedule) -> None:
    seen: dict[int, list[int]] = {epoch: [] for epoch in range(plan.epochs)}
    for step in range(plan.steps):
        for k in range(plan.leaves(step)):
            seen[plan.batch(step).epoch] += range(*plan.leaf(step, k))
    assert all(order == list(range(plan.samples)) for order in seen.values())


@given(plans)
def test_every_evaluation_sample_is_in_one_leaf(plan: Schedule) -> None:
    seen = [i for k in range(plan.eval_leaves) for i in range(*plan.eval_leaf(k))]
    assert seen == list(range(plan.eval_samples))


@given(plans)
def test_only_the_last_leaf_of_a_batch_is_short(plan: Schedule) -> None:
    for step in range(plan.steps):
        sizes = [hi - lo for lo, hi in (plan.leaf(step, k) for k in range(plan.leaves(step)))]
        assert set(sizes[:-1]) <= {plan.leaf_size}
        assert 0 < sizes[-1] <= plan.leaf_size


def test_a_short_last_batch_has_fewer_leaves_of_the_same_size() -> None:
    plan = schedule(samples=9, batch_size=6, micro_batches=3)
    assert [plan.leaf(1, k) for k in range(plan.leaves(1))] == [(6, 8), (8, 9)]


def test_a_batch_says_its_epoch_and_its_positions() -> None:
    assert schedule().batch(5) == Batch(step=5, epoch=1, lo=8, hi=10)


def test_drop_last_leaves_out_the_short_batch() -> None:
    assert (schedule().steps, schedule(drop_last=True).steps) == (6, 4)


def test_drop_last_without_a_whole_batch_says_what_to_change() -> None:
    with pytest.raises(JobError, match="lower batch_size or set drop_last=False"):
        schedule(samples=3, drop_last=True)


@pytest.mark.parametrize(("max_steps", "steps"), [(1, 1), (6, 6), (7, 6), (None, 6)])
def test_the_run_ends_at_max_steps_or_at_its_epochs(max_steps: int | None, steps: int) -> None:
    assert schedule(max_steps=max_steps).steps == steps


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({}, []),
        ({"eval_samples": 5}, [2, 5]),
        ({"eval_samples": 5, "max_steps": 5}, [2, 4]),
        ({"eval_samples": 5, "eval_every": 4}, [3, 5]),
        ({"eval_samples": 5, "eval_every": 100}, [5]),
    ],
)
def test_evaluations_come_when_they_are_due_and_at_the_end(
    changes: dict[str, Any], after: list[int]
) -> None:
    plan = schedule(**changes)
    assert [step for step in range(plan.steps) if plan.evaluates_after(step)] == after


@pytest.mark.parametrize(
    "name", ["batch_size", "micro_batches", "epochs", "max_steps", "eval_every", "eval_batch_size"]
)
def test_a_count_below_one_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} must be at least 1, not 0"):
        schedule(**{name: 0})


def test_no_samples_are_refused() -> None:
    with pytest.raises(JobError, match="empty"):
        schedule(samples=0)


@pytest.mark.parametrize("k", [-1, 2])
def test_a_leaf_that_does_not_exist_is_an_index_error(k: int) -> None:
    with pytest.raises(IndexError, match="there are 2"):
        schedule().leaf(0, k)
