"""Saver: when a checkpoint is due, and writing it while training goes on.

Between two steps the state is copied; a thread writes the copies, one after another. If the disk is
so slow that waiting copies would take much memory, a due one is taken at a later step instead.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtrain.checkpoint import Checkpoints, digest_of
from dtrain.recorder import Recorder
from dtrain.trainer import Trainer

WRITE_S = 600.0  # for a checkpoint to reach the disk, at the end
ROOM_BYTES = 256 * 2**20  # for copies that wait to be written


@dataclass(frozen=True, slots=True)
class _Done:
    """What the writer says: a path, or why there is none."""

    version: int
    path: Path | None
    error: str = ""


class Saver:
    """Saves the trainer of a run. Every method is for the thread that trains.

    failed: why the run should end, in words: a checkpoint could not be written, and
            `on_checkpoint_error` is "stop"
    """

    def __init__(
        self, trainer: Trainer, recorder: Recorder, wake: Callable[[], None] = lambda: None
    ) -> None:
        self._trainer, self._recorder, self._wake = trainer, recorder, wake
        run_dir = recorder.run_dir
        self._checkpoints = None if run_dir is None else Checkpoints(run_dir.path)
        self._job = trainer.computer.job
        self._done: queue.SimpleQueue[_Done] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._waiting: list[dict[str, Any]] = []  # copies that are not written yet
        self._is_asked = False
        self._tried = self._good = trainer.version  # the newest: handed to the writer; written
        self.failed: str | None = None

    def ask(self) -> None:
        """A checkpoint is wanted after the step under way."""
        self._is_asked = True

    def settled(self, is_best: bool = False) -> None:
        """A step is committed, and evaluated if that was due. Saves, if it is time to.

        is_best: its evaluation was the best so far
        """
        if self._checkpoints is None:
            return
        self.poll()
        best = is_best and self._job.keep_best > 0
        while best and self._waiting and not self._has_room:
            del self._waiting[0]  # the best one cannot come later; an older one is overtaken
        if best or ((self._is_due or self._is_asked) and self._has_room):
            self._is_asked = False
            self._tried = self._trainer.version
            self._waiting.append(self._snapshot())
            self.poll()

    def poll(self) -> None:
        """Tell what was written, or could not be."""
        while not self._done.empty():
            self._tell(self._done.get_nowait())
        if self._waiting and not self._is_busy:
            state = self._waiting.pop(0)
            self._thread = threading.Thread(target=self._write, args=(state,), daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Save the last step, and wait until all is written. After a failed step only wait."""
        if self._checkpoints is None:
            return
        is_idle = self._wait()
        if is_idle and self._trainer.is_clean and self._good != self._trainer.version:
            self._waiting.append(self._snapshot())
            self.poll()
            self._wait()

    @property
    def _is_due(self) -> bool:
        """Whether a multiple of `checkpoint_every` was reached since the last one."""
        every = self._job.checkpoint_every
        return every is not None and self._trainer.version // every > self._tried // every

    @property
    def _has_room(self) -> bool:
        return len(self._waiting) * self._trainer.state_bytes < ROOM_BYTES

    @property
    def _is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _wait(self) -> bool:
        """Until the writer is idle; whether it is, because there is a deadline: a disk may hang."""
        while self._thread is not None:
            self._thread.join(WRITE_S)
            if self._thread.is_alive():
                text = f"a checkpoint is not on the disk after {WRITE_S:g} s; it is given up"
                self._recorder.event("checkpoint-failed", text)
                return False
            self._thread = None
            self.poll()
        return True

    def _snapshot(self) -> dict[str, Any]:
        """A copy of the state, and what a reader of the file wants to know beside it."""
        trainer = self._trainer
        metrics = trainer.evaluation
        return {
            **trainer.to_dict(),
            "job": type(self._job).__name__,
            "value": None if metrics is None else float(trainer.monitor.value(metrics)),
        }

    def _write(self, state: dict[str, Any]) -> None:
        """The writer's thread."""
        assert self._checkpoints is not None
        version = state["version"]
        try:
            if self._recorder.run_dir is not None:
                self._recorder.run_dir.sync_metrics()
            path = self._checkpoints.write({**state, "digest": digest_of(state)})
            watched = self._trainer.monitor.watched
            self._checkpoints.thin_out(self._job.keep_last, self._job.keep_best, watched)
            self._done.put(_Done(version, path))
        except Exception as error:  # whatever it is: it must be told, and training may go on
            self._done.put(_Done(version, None, str(error) or type(error).__name__))
        self._wake()

    def _tell(self, done: _Done) -> None:
        if done.path is not None:
            self._good = max(self._good, done.version)
            self._recorder.saved(done.version, done.path)
            return
        goes_on = self._job.on_checkpoint_error == "continue"
        text = f"{done.error}; " + (
            "training goes on" if goes_on else "the run ends (on_checkpoint_error)"
        )
        self._recorder.event("checkpoint-failed", text, step=done.version)
        if not goes_on:
            self.failed = self.failed or done.error
