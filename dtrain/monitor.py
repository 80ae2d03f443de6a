"""Which evaluation is the best so far, and when there has been none better for too long. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from dtrain.errors import JobError


@dataclass
class Monitor:
    """`monitor="max accuracy"`, `patience=5`, and what they have seen.

    best, best_step   the best value, and the step whose weights had it; None before the first
    waited            evaluations since then
    """

    mode: str
    name: str
    patience: int | None = None
    best: float | None = None
    best_step: int | None = None
    waited: int = 0

    @classmethod
    def of(cls, words: str, patience: int | None) -> Self:
        """From the settings `monitor`, which is two words, and `patience`."""
        mode, name = words.split()
        return cls(mode, name, patience)

    def observe(self, step: int, value: float) -> None:
        """Take in the metric of the weights after a step. What is not a number is never better."""
        if is_better(self.mode, value, self.best):
            self.best, self.best_step, self.waited = value, step, 0
        else:
            self.waited += 1

    def value(self, metrics: Mapping[str, float]) -> float:
        """The metric that is watched. Raises JobError if it is not there."""
        if self.name not in metrics:
            raise JobError(
                f"monitor='{self.mode} {self.name}': the evaluation has no '{self.name}'; it has "
                f"{', '.join(sorted(metrics))}: what loss logs, and what summary adds"
            )
        return metrics[self.name]

    @property
    def watched(self) -> str:
        """The metric, and when it is best, as the setting `monitor` says it."""
        return f"{self.mode} {self.name}"

    @property
    def is_exhausted(self) -> str | None:
        """Why the run should end now, in words, or None."""
        if self.patience is None or self.waited < self.patience:
            return None
        if self.best is None:
            return f"{self.name} was no number in {self.waited} evaluations"
        return (
            f"no better {self.name} than {self.best:.6g} (after {self._best_after} steps) in "
            f"{self.waited} evaluations"
        )

    @property
    def _best_after(self) -> int:
        return 0 if self.best_step is None else self.best_step + 1

    def to_dict(self) -> dict[str, Any]:
        """What it has seen, for a checkpoint; the name says of which metric."""
        return {
            "watched": self.watched,
            "best": self.best,
            "best_step": self.best_step,
            "waited": self.waited,
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_dict` gave, if it watched the same."""
        if saved["watched"] == self.watched:
            self.best, self.best_step = saved["best"], saved["best_step"]
            self.waited = saved["waited"]


def is_better(mode: str, value: float, best: float | None) -> bool:
    """Whether a value beats the best so far; nan never does."""
    if math.isnan(value):
        return False
    if best is None:
        return True
    return value < best if mode == "min" else value > best
