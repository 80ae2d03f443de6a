"""The learning rates of a run: a group's own, as a scheduler sets it, times a scaled batch's.

A scheduler is stepped when a step is committed, or its epoch; a ReduceLROnPlateau when an
evaluation is. So rates are a function of the steps made and of the evaluations' metrics.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dtrain import serialization
from dtrain.checked import calling, scheduler_of
from dtrain.errors import JobError
from dtrain.optim.lr_scheduler import ReduceLROnPlateau
from dtrain.optim.optimizer import Group, Optimizer
from dtrain.optim.options import number
from dtrain.schedule import Schedule

if TYPE_CHECKING:
    from dtrain.job import Job

WARMUP_EPOCHS = 5
TRIED_STEPS = 100_000  # of a schedule whose plan has grown: about a second


@dataclass
class Growth:
    """What a batch that is `batch` times as large does to the rates: they grow to `factor` times.

        rate(s) = rate * (1 + (factor - 1) * min(1, (s + 1) / warmup))

    factor   batch for plain gradient descent, sqrt(batch) for optimizers that divide by the
             gradient's size
    warmup   steps: five epochs, but at most a tenth of the run
    Source:  Goyal et al. 2017, "Accurate, Large Minibatch SGD", sections 2.1 and 2.2; Malladi et
             al. 2022, "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms".
    """

    batch: int
    rule: str
    warmup: int

    @classmethod
    def of(cls, batch: int, optimizer: Optimizer, schedule: Schedule) -> "Growth":
        """For a new run."""
        warmup = min(WARMUP_EPOCHS * schedule.steps_per_epoch, math.ceil(schedule.steps / 10))
        return cls(batch, optimizer.rate_rule, max(1, warmup))

    @property
    def factor(self) -> float:
        """By what the rates are multiplied in the end."""
        return float(self.batch) if self.rule == "linear" else math.sqrt(self.batch)

    def at(self, step: int) -> float:
        """By what they are multiplied in a step."""
        return 1 + (self.factor - 1) * min(1.0, (step + 1) / self.warmup)


class Rates:
    """The rates of one optimizer. Raises JobError for a scheduler that cannot be used."""

    def __init__(self, job: "Job", optimizer: Optimizer, schedule: Schedule) -> None:
        self.scheduler = scheduler_of(job, optimizer)
        self._who = f"{type(job).__name__}.lr_scheduler"
        self._by_epoch = job.lr_scheduler_interval == "epoch"
        self._schedule, self._optimizer = schedule, optimizer
        self.growth = Growth.of(job.scale_batch, optimizer, schedule)
        if self.scheduler is not None:
            self._require_saveable()

    @property
    def wants_metric(self) -> bool:
        """Whether the rates depend on evaluations."""
        return isinstance(self.scheduler, ReduceLROnPlateau)

    def group(self, group: Group, step: int) -> Group:
        """A group's options in a step."""
        if self.growth.batch == 1:
            return group
        return {**group, "lr": number(group["lr"]) * self.growth.at(step)}

    def at(self, step: int) -> float:
        """The rate of the first group in a step, which is the one that is recorded."""
        return float(number(self.group(self._optimizer.param_groups[0], step)["lr"]))

    def after_step(self, step: int) -> None:
        """A step was committed, also one that was skipped."""
        if self.scheduler is None or self.wants_metric:
            return
        if not self._by_epoch or self._schedule.ends_epoch(step):
            with calling(self._who):
                self.scheduler.step()

    def after_evaluation(self, value: float) -> None:
        """The metric that is monitored was measured."""
        if isinstance(self.scheduler, ReduceLROnPlateau):
            with calling(self._who):
                self.scheduler.step(value)

    def require_able(self, version: int) -> None:
        """Try the schedule from here to the end of the plan, which has grown; nothing is kept.

        Raises JobError for one that cannot go on, such as OneCycleLR, which is made for so many
        steps and no more.
        """
        if self.scheduler is None or self.wants_metric:
            return
        groups = self.scheduler.optimizer.param_groups
        options = [{k: v for k, v in group.items() if k != "params"} for group in groups]
        before = serialization.to_bytes([self.to_dict(), options])
        try:
            for step in range(version, min(self._schedule.steps, version + TRIED_STEPS)):
                self.after_step(step)
        except JobError as error:
            raise JobError(
                f"{error}; this schedule was made for the shorter plan and cannot go on: begin a "
                "new run with the longer one"
            ) from None
        finally:
            saved, options = serialization.from_bytes(before, "the schedule")
            self.load(saved)
            for group, old in zip(groups, options, strict=True):
                group.update(old)

    def to_dict(self) -> dict[str, Any]:
        """For a checkpoint: plain values. Functions are code, and come from the job again."""
        state = None if self.scheduler is None else _plain(self.scheduler.state_dict())
        return {"scheduler": state, "warmup": self.growth.warmup}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_dict` gave."""
        self.growth.warmup = saved["warmup"]
        if self.scheduler is not None and saved["scheduler"] is not None:
            self.scheduler.load_state_dict(saved["scheduler"])

    def _require_saveable(self) -> None:
        try:
            serialization.to_bytes(self.to_dict())
        except (TypeError, ValueError) as error:
            raise JobError(
                f"{self._who}: the scheduler's state cannot be written to a checkpoint ({error}); "
                "leave that out of its state_dict"
            ) from None


def _plain(value: Any) -> Any:
    """Without functions, and with dicts in the place of what only behaves like one."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if not callable(inner)}
    if isinstance(value, list | tuple):
        return type(value)(_plain(inner) for inner in value)
    return value
