"""What a job may read and log, and what it is told when something is missing."""

from pathlib import Path

import numpy as np
import pytest

from dtrain.errors import JobError
from dtrain.job import Job


class Empty(Job):
    pass


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("model", ()), ("optimizer", (None,)), ("train_data", ()), ("loss", (None, None))],
)
def test_a_method_that_a_job_lacks_is_asked_for_by_its_signature(
    method: str, arguments: tuple[None, ...]
) -> None:
    with pytest.raises(JobError, match=rf"^Empty needs `def {method}\(self"):
        getattr(Empty(), method)(*arguments)


def logged(weight: float, *entries: tuple[str, object, float | None]) -> dict[str, object]:
    job = Empty()
    job._enter_leaf(step=3, epoch=1)
    for name, value, own in entries:
        job.log(name, value, own)  # type: ignore[arg-type]
    return dict(job._leave_leaf(weight))


def test_a_logged_mean_is_weighted_like_the_loss() -> None:
    assert logged(8.0, ("accuracy", 0.75, None)) == {"accuracy": (6.0, 8.0)}


def test_a_logged_mean_may_have_a_weight_of_its_own() -> None:
    assert logged(8.0, ("accuracy", 0.5, 4.0)) == {"accuracy": (2.0, 4.0)}


def test_a_name_logged_twice_adds_up() -> None:
    entries = ("a", 1.0, 2.0), ("a", 0.5, 4.0)
    assert logged(8.0, *entries) == {"a": (4.0, 6.0)}


def test_a_leaf_of_weight_0_logs_nothing() -> None:
    assert logged(0.0, ("a", 1.0, 2.0)) == {}


def test_numpy_scalars_and_0_dim_arrays_can_be_logged() -> None:
    entries = ("a", np.float32(0.5), None), ("b", np.array(2), None)
    assert logged(1.0, *entries) == {"a": (0.5, 1.0), "b": (2.0, 1.0)}


def test_logging_a_vector_names_its_shape() -> None:
    with pytest.raises(JobError, match=r"'a' must be a number or a 0-dim tensor.*\(3,\)"):
        logged(1.0, ("a", np.zeros(3), None))


def test_logging_under_a_name_that_the_records_use_is_refused() -> None:
    with pytest.raises(JobError, match="recorded already"):
        logged(1.0, ("loss", 1.0, None))


def test_outside_a_leaf_logging_does_nothing() -> None:
    job = Empty()
    job.log("a", 1.0)
    job._enter_leaf(0, 0)
    assert job._leave_leaf(1.0) == {}


def test_step_and_epoch_are_those_of_the_leaf() -> None:
    job = Empty()
    job._enter_leaf(step=3, epoch=1)
    assert (job.step, job.epoch) == (3, 1)
    job._leave_leaf(1.0)
    with pytest.raises(JobError, match=r"self\.step has a value only while"):
        _ = job.step


def test_the_default_order_is_a_permutation_of_its_epoch() -> None:
    first, second = (np.asarray(Empty().order(10, epoch)) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()


def test_the_summary_is_added_to_the_means() -> None:
    class Text(Empty):
        def summary(self, means):  # type: ignore[no-untyped-def]
            return {"perplexity": np.exp(means["loss"])}

    assert Text()._metrics({"loss": 0.0}) == {"loss": 0.0, "perplexity": 1.0}


def test_a_summary_that_is_no_dict_is_refused() -> None:
    class Text(Empty):
        def summary(self, means):  # type: ignore[no-untyped-def]
            return 3

    with pytest.raises(JobError, match=r"Text\.summary must return a dict"):
        Text()._metrics({"loss": 0.0})


@pytest.mark.parametrize("value", ["7", None, np.zeros(3), 1j, np.complex64(1)])
def test_a_summary_of_anything_but_numbers_is_refused(value: object) -> None:
    class Text(Empty):
        def summary(self, means):  # type: ignore[no-untyped-def]
            return {"bleu": value}

    with pytest.raises(JobError, match=r"Text\.summary: the value of 'bleu' must be a number"):
        Text()._metrics({"loss": 0.0})


def test_the_data_folder_is_that_of_the_option_before_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DTRAIN_DATA", str(tmp_path / "other"))
    job = Empty()
    job._use_data(tmp_path)
    assert job.data_dir == tmp_path


def test_without_a_data_folder_both_ways_to_name_one_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DTRAIN_DATA", raising=False)
    with pytest.raises(JobError, match="--data DIR or DTRAIN_DATA=DIR"):
        _ = Empty().data_dir


def test_a_data_folder_that_is_missing_is_named_with_where_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DTRAIN_DATA", str(tmp_path / "none"))
    with pytest.raises(JobError, match=r"none \(DTRAIN_DATA\) does not exist"):
        _ = Empty().data_dir
