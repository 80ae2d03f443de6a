"""A run in one process, from start to end."""

from typing import Any

import pytest

from dtrain.errors import ImpureError
from dtrain.local import train_local
from dtrain.nn import Module
from dtrain.progress import Silent
from dtrain.recorder import Recorder
from tests.compute.jobs import Classify, trained
from tests.compute.test_probe import Forgetful


def recorded(job: Classify, recorder: Recorder | None = None) -> Recorder:
    recorder = recorder or Recorder(None, Silent())
    train_local(job, recorder)
    return recorder


class StopsAfter(Recorder):
    """Wants to stop after some steps."""

    steps = 0

    def stop_requested(self) -> str | None:
        return "SIGTERM" if len(self.history) >= self.steps else None


def test_a_run_records_every_step_and_the_evaluations_that_are_due() -> None:
    history = recorded(Classify(epochs=2)).history
    assert [line["step"] for line in history if "loss" in line] == list(range(8))
    assert [line["step"] for line in history if "eval" in line] == [3, 7]


def test_the_digest_is_that_of_the_steps_one_by_one() -> None:
    result = recorded(Classify()).result
    assert (result["state"], result["steps"]) == ("finished", 12)
    assert result["digest"] == trained(Classify())[0].digest()


def test_an_evaluation_is_over_all_samples_and_has_the_jobs_summary() -> None:
    class Summed(Classify):
        def summary(self, means: Any) -> dict[str, float]:
            return {"twice": 2 * means["loss"]}

    by_leaves = recorded(Summed(epochs=1)).eval
    whole = recorded(Summed(epochs=1, eval_batch_size=20)).eval
    assert by_leaves["twice"] == 2 * by_leaves["loss"]
    assert by_leaves == pytest.approx(whole, rel=1e-12)


def test_evaluating_changes_no_bit_of_the_training() -> None:
    digests = {recorded(Classify(eval_every=every)).result["digest"] for every in (1, 5, None)}
    assert len(digests) == 1


def test_a_stopped_run_has_the_digest_of_the_steps_it_made() -> None:
    recorder = StopsAfter(None, Silent())
    recorder.steps = 3
    result = recorded(Classify(), recorder).result
    assert (result["state"], result["steps"]) == ("stopped", 3)
    assert result["digest"] == recorded(Classify(max_steps=3)).result["digest"]


def test_training_learns() -> None:
    losses = [line["loss"] for line in recorded(Classify(epochs=30)).history if "loss" in line]
    assert sum(losses[-4:]) < 0.3 * sum(losses[:4])


def test_a_failed_run_has_its_own_weights_whatever_the_leaf_put_in_their_place() -> None:
    class Spoils(Classify):
        def loss(self, model: Module, batch: Any) -> Any:
            if self.step == 2:
                for parameter in model.parameters():
                    parameter._array = 0 * parameter._array
                raise KeyboardInterrupt
            return super().loss(model, batch)

    recorder = Recorder(None, Silent())
    with pytest.raises(KeyboardInterrupt):
        train_local(Spoils(), recorder)
    assert (recorder.result["state"], recorder.result["error"]) == ("failed", "KeyboardInterrupt")
    assert recorder.result["digest"] == recorded(Classify(max_steps=2)).result["digest"]


def test_an_impure_job_is_refused_before_the_first_step() -> None:
    recorder = Recorder(None, Silent())
    job = type("Impure", (Classify,), {"train_data": lambda self: Forgetful()})
    with pytest.raises(ImpureError):
        train_local(job(), recorder)
    assert recorder.history == []
