"""OneCycleLR: up once, and down to almost nothing."""

import math
from typing import Any, Literal

from dtrain.optim.lr_scheduler.base import (
    LRScheduler,
    Rates,
    check_optimizer,
    for_each_group,
)
from dtrain.optim.lr_scheduler.momentum import set_momentum, start_momentum
from dtrain.optim.optimizer import Group, Optimizer

Phase = dict[str, Any]  # the step that it ends with; names of the group's options to go between


class OneCycleLR(LRScheduler):
    """From max_lr / div_factor up to max_lr, then down to that first rate / final_div_factor.

    The way up takes pct_start of all steps. With three_phase the way down to the first rate takes
    as many, and the rest goes on down. Momentum goes the other way.

    Raises:  ValueError without a number of steps, for one that is not a positive integer, a
             pct_start that is not a float in [0, 1], an unknown anneal_strategy, lists whose
             length is not the number of groups, cycle_momentum with an optimizer that has neither
             momentum nor betas; and for a step beyond the last.
    Source:  Smith and Topin 2018, "Super-Convergence", with fastai's two phases by default.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        max_lrs = for_each_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for greatest, group in zip(max_lrs, optimizer.param_groups, strict=True):
                group["initial_lr"] = greatest / div_factor
                group["max_lr"] = greatest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1, _, _ = start_momentum(
                optimizer, base_momentum, max_momentum, last_epoch
            )
        super().__init__(optimizer, last_epoch)

    def _next_rates(self) -> Rates:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"Tried to step {self.last_epoch} times. "
                f"The specified number of total steps is {self.total_steps}"
            )
        phase, part = self._place()
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            set_momentum(group, self._between(group, phase, "momentum", part), self.use_beta1)
        return [self._between(group, phase, "lr", part) for group in self.optimizer.param_groups]

    def _place(self) -> tuple[Phase, float]:
        """The phase of the step, and the part of it that has passed."""
        start: float = 0.0
        for phase in self._schedule_phases[:-1]:
            if self.last_epoch <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        return phase, (self.last_epoch - start) / (phase["end_step"] - start)

    def _between(self, group: Group, phase: Phase, what: str, part: float) -> Any:
        start, end = group[phase[f"start_{what}"]], group[phase[f"end_{what}"]]
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        _check_count("total_steps", total_steps)
        return total_steps
    if epochs is None or steps_per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    _check_count("epochs", epochs)
    _check_count("steps_per_epoch", steps_per_epoch)
    return epochs * steps_per_epoch


def _check_count(name: str, value: int) -> None:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {value}")


def _phases(total: int, up: float, three: bool) -> list[Phase]:
    """Where each phase ends, and between which options of a group it goes."""
    rise = _phase(float(up * total) - 1, "initial_lr", "max_lr", "max", "base")
    if not three:
        return [rise, _phase(total - 1, "max_lr", "min_lr", "base", "max")]
    fall = _phase(float(2 * up * total) - 2, "max_lr", "initial_lr", "base", "max")
    return [rise, fall, _phase(total - 1, "initial_lr", "min_lr", "max", "max")]


def _phase(end: float, start_lr: str, end_lr: str, start: str, stop: str) -> Phase:
    return {
        "end_step": end,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": f"{start}_momentum",
        "end_momentum": f"{stop}_momentum",
    }
