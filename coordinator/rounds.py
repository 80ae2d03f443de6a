"""What is to be done, and in which order: training rounds and evaluations, where each is due.

Pure.
"""

from dataclasses import dataclass
from typing import Any

from dtrain.schedule import Schedule
from dtrain.wire.messages import EVAL, TRAIN


@dataclass(frozen=True, slots=True)
class Round:
    """One sum tree: the leaves of a step, or those of the evaluation after it."""

    step: int
    phase: str
    leaves: int
    parts: int  # of a node's value
    version: int  # of the weights that it is computed on


@dataclass(frozen=True, slots=True)
class Work:
    """A run: its schedule, what its weights are made of, and what a worker is told of it."""

    schedule: Schedule
    chunks: int  # trainable; a gradient has as many parts, and the tail
    frozen: int  # chunks that never change
    has_buffers: bool
    settings: dict[str, Any]
    layout: dict[str, Any]

    @property
    def parts(self) -> int:
        """Of a node's value in training: the chunks, then the tail."""
        return self.chunks + 1

    def first(self, step: int) -> Round | None:
        """The training round of a step, or None after the last."""
        if step >= self.schedule.steps:
            return None
        return Round(step, TRAIN, self.schedule.leaves(step), self.parts, version=step)

    def resumed(self, version: int, evaluated: bool) -> Round | None:
        """Where a run goes on that has committed `version` steps: an evaluation may be owed."""
        if version > 0 and self.schedule.evaluates_after(version - 1) and not evaluated:
            return self._evaluation(version - 1)
        return self.first(version)

    def following(self, done: Round) -> Round | None:
        """What comes after a round; None at the end of the run."""
        if done.phase == TRAIN and self.schedule.evaluates_after(done.step):
            return self._evaluation(done.step)
        return self.first(done.step + 1)

    def _evaluation(self, step: int) -> Round:
        return Round(step, EVAL, self.schedule.eval_leaves, 1, version=step + 1)

    # Chunks of weights are numbered: trainable, frozen, and all buffers under one number.

    def weights_of(self, part: int) -> list[int]:
        """The chunks of weights that exist once this part is written."""
        if part < self.chunks:
            return [part]
        return [self.chunks + self.frozen] if self.has_buffers else []

    def constant(self) -> range:
        """The chunks that are equal in every version."""
        return range(self.chunks, self.chunks + self.frozen)

    def changing(self) -> list[int]:
        """The chunks that differ between versions."""
        return [*range(self.chunks), *self.weights_of(self.chunks)]

    def everything(self) -> list[int]:
        """The chunks that a new session needs."""
        return [*self.constant(), *self.changing()]
