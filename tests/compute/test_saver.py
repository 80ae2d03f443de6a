"""When checkpoints are written, and that training does not wait for the disk."""

import threading
from pathlib import Path
from typing import Any

import pytest

from dtrain.checkpoint import Checkpoints, version_of
from dtrain.errors import RunError
from dtrain.local import take_step
from dtrain.progress import Silent
from dtrain.recorder import Recorder
from dtrain.rundir import RunDir
from dtrain.saver import Saver
from dtrain.trainer import Trainer
from tests.compute.jobs import Classify, trainer_of


class Unwatched(Classify):
    epochs: int = 9
    keep_last: int = 99

    def eval_data(self) -> Any:
        return None


class Slow:
    """A disk that writes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.asked, self.started = threading.Event(), [], threading.Event()
        write = Checkpoints.write

        def slowly(checkpoints: Checkpoints, state: Any) -> Path:
            self.asked.append(state["version"])
            self.started.set()
            assert self.go.wait(10.0)
            return write(checkpoints, state)

        monkeypatch.setattr(Checkpoints, "write", slowly)


def setup(folder: Path, **settings: Any) -> tuple[Trainer, Saver, Recorder]:
    job = Unwatched(**settings)
    trainer = trainer_of(job)
    recorder = Recorder(RunDir.open(folder), Silent(), job=job)
    return trainer, Saver(trainer, recorder), recorder


def saved(folder: Path) -> list[int | None]:
    return [version_of(path) for path in Checkpoints(folder).all()][::-1]


def steps(trainer: Trainer, saver: Saver, count: int) -> None:
    for _ in range(count):
        take_step(trainer)
        saver.settled()


def settle(saver: Saver) -> None:
    """Wait for the writer between steps: each due checkpoint is written."""
    if saver._thread is not None:
        saver._thread.join(10.0)


def test_a_checkpoint_is_written_every_so_many_steps_and_at_the_end(tmp_path: Path) -> None:
    trainer, saver, _ = setup(tmp_path, checkpoint_every=3)
    for _ in range(8):
        steps(trainer, saver, 1)
        settle(saver)
    saver.finish()
    assert saved(tmp_path) == [3, 6, 8]


def test_without_an_interval_there_is_one_at_the_end(tmp_path: Path) -> None:
    trainer, saver, _ = setup(tmp_path, checkpoint_every=None)
    steps(trainer, saver, 5)
    saver.finish()
    assert saved(tmp_path) == [5]


def test_training_goes_on_while_the_disk_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Slow(monkeypatch)
    trainer, saver, _ = setup(tmp_path, checkpoint_every=2)
    steps(trainer, saver, 7)
    assert disk.started.wait(10.0)
    assert (disk.asked, trainer.version) == ([2], 7)
    disk.go.set()
    saver.finish()
    assert saved(tmp_path) == [2, 4, 6, 7]


def test_copies_that_wait_do_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Slow(monkeypatch)
    trainer, saver, _ = setup(tmp_path, checkpoint_every=1)
    monkeypatch.setattr("dtrain.saver.ROOM_BYTES", 2 * trainer.state_bytes)
    steps(trainer, saver, 7)
    assert len(saver._waiting) == 2
    disk.go.set()
    saver.finish()
    assert saved(tmp_path) == [1, 2, 3, 7]


def test_the_best_one_takes_the_place_of_an_older_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Slow(monkeypatch)
    trainer, saver, _ = setup(tmp_path, checkpoint_every=1)
    monkeypatch.setattr("dtrain.saver.ROOM_BYTES", 2 * trainer.state_bytes)
    steps(trainer, saver, 4)
    take_step(trainer)
    saver.settled(is_best=True)
    disk.go.set()
    saver.finish()
    assert saved(tmp_path) == [1, 3, 5]


def test_what_is_written_is_the_state_of_its_step_whatever_came_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Slow(monkeypatch)
    trainer, saver, _ = setup(tmp_path, checkpoint_every=2)
    steps(trainer, saver, 2)
    digest = trainer.digest()
    steps(trainer, saver, 5)
    disk.go.set()
    saver.finish()
    from dtrain import checkpoint

    assert checkpoint.read(Checkpoints(tmp_path).path(2))["digest"] == digest


def test_one_that_was_asked_for_comes_after_the_step(tmp_path: Path) -> None:
    trainer, saver, _ = setup(tmp_path, checkpoint_every=None)
    saver.ask()
    steps(trainer, saver, 1)
    settle(saver)
    assert saved(tmp_path) == [1]


def test_the_best_waits_as_a_copy_while_another_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Slow(monkeypatch)
    trainer, saver, _ = setup(tmp_path, checkpoint_every=2, keep_best=1)
    steps(trainer, saver, 2)
    take_step(trainer)
    saver.settled(is_best=True)
    disk.go.set()
    saver.finish()
    assert saved(tmp_path) == [2, 3]


def test_a_failed_step_leaves_the_last_good_state(tmp_path: Path) -> None:
    trainer, saver, _ = setup(tmp_path, checkpoint_every=2)
    steps(trainer, saver, 3)
    trainer.apply(0, trainer.computer.train(3, 0).parts[0])
    saver.finish()
    assert saved(tmp_path) == [2]


@pytest.mark.parametrize(("choice", "failed"), [("continue", None), ("stop", "no room")])
def test_what_cannot_be_written_is_told_and_ends_the_run_if_it_is_to(
    choice: str, failed: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(checkpoints: Checkpoints, state: Any) -> Path:
        raise RunError("no room")

    monkeypatch.setattr(Checkpoints, "write", full)
    trainer, saver, recorder = setup(tmp_path, checkpoint_every=1, on_checkpoint_error=choice)
    steps(trainer, saver, 1)
    saver.finish()
    assert saver.failed == failed
    assert recorder.run_dir is not None
    assert recorder.run_dir.events()[0]["event"] == "checkpoint-failed"


def test_without_a_run_directory_nothing_is_written() -> None:
    trainer = trainer_of(Unwatched(checkpoint_every=1))
    saver = Saver(trainer, Recorder(None, Silent()))
    steps(trainer, saver, 2)
    saver.finish()
    assert saver.failed is None
