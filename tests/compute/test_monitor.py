"""Which evaluation is the best, and how long to wait for a better one."""

import math

import pytest

from dtrain.errors import JobError
from dtrain.monitor import Monitor


def seen(words: str, values: list[float], patience: int | None = None) -> Monitor:
    monitor = Monitor.of(words, patience)
    for step, value in enumerate(values):
        monitor.observe(step, value)
    return monitor


@pytest.mark.parametrize(("words", "best"), [("min loss", (0.1, 1)), ("max loss", (0.4, 2))])
def test_the_best_is_the_least_or_the_greatest(words: str, best: tuple[float, int]) -> None:
    monitor = seen(words, [0.3, 0.1, 0.4, 0.1])
    assert (monitor.best, monitor.best_step) == best


def test_an_equal_value_is_no_better_one() -> None:
    assert seen("max a", [0.5, 0.5]).waited == 1


def test_what_is_no_number_is_never_better() -> None:
    monitor = seen("min loss", [math.nan, 2.0, math.nan])
    assert (monitor.best, monitor.waited) == (2.0, 1)


def test_patience_ends_when_there_was_no_better_one_for_so_long() -> None:
    assert seen("min loss", [1.0, 2.0], patience=2).is_exhausted is None
    assert seen("min loss", [1.0, 2.0, 3.0], patience=2).is_exhausted == (
        "no better loss than 1 (after 1 steps) in 2 evaluations"
    )


def test_a_metric_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(JobError, match="has no 'f1'; it has accuracy, loss"):
        Monitor.of("max f1", None).value({"loss": 1.0, "accuracy": 0.5})


def test_it_goes_on_from_what_it_has_seen_of_the_same_metric() -> None:
    saved = seen("max a", [0.5, 0.4]).to_dict()
    same, other = Monitor.of("max a", 3), Monitor.of("max b", 3)
    same.load(saved)
    other.load(saved)
    assert (same.best, same.waited) == (0.5, 1)
    assert (other.best, other.waited) == (None, 0)
