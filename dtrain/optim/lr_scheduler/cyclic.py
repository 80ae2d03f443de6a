"""CyclicLR: the rate goes up and down, and up again."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from dtrain.optim.lr_scheduler.base import (
    LRScheduler,
    Rates,
    check_optimizer,
    for_each_group,
    set_value,
)
from dtrain.optim.lr_scheduler.function import saved
from dtrain.optim.lr_scheduler.momentum import set_momentum, start_momentum
from dtrain.optim.optimizer import Optimizer

Mode = Literal["triangular", "triangular2", "exp_range"]


class CyclicLR(LRScheduler):
    """Triangles between `base_lr` and `max_lr`; momentum goes the other way.

    rate(n) = base + (max - base) h(n) scale,    momentum(n) = max_momentum - (...) h(n) scale

    h(n) rises from 0 to 1 in step_size_up steps and falls in step_size_down (as many, by default).
    scale is 1 ("triangular"), 1 / 2^(cycle - 1) ("triangular2"), gamma^n ("exp_range"), or
    scale_fn(cycle), or scale_fn(n) with scale_mode="iterations"; cycles are counted from 1.

    Raises:  ValueError for an unknown mode, for lists whose length is not the number of groups,
             and for cycle_momentum with an optimizer that has neither momentum nor betas.
    Source:  Smith 2017, "Cyclical Learning Rates for Training Neural Networks".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Mode = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[Any], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = for_each_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for rate, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_value(group, "lr", rate)
        self.max_lrs = for_each_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode: str = scale_mode
        self._settle_scale_mode()
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1, self.base_momentums, self.max_momentums = start_momentum(
                optimizer, base_momentum, max_momentum, last_epoch
            )
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> Any:
        """How much of the amplitude is left, in cycle x or after x steps, as scale_mode says."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        match self.mode:
            case "triangular2":
                return 1 / (2.0 ** (x - 1))
            case "exp_range":
                return self.gamma**x
            case _:
                return 1.0

    def state_dict(self) -> dict[str, Any]:
        """Every attribute; of scale_fn, if it is an object with `__call__`, its attributes."""
        return super().state_dict() | {"_scale_fn_custom": saved(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        function = self._scale_fn_custom
        super().load_state_dict({**state_dict, "_scale_fn_custom": function})
        if state_dict["_scale_fn_custom"] is not None:
            vars(function).update(state_dict["_scale_fn_custom"])
        self._settle_scale_mode()

    def _settle_scale_mode(self) -> None:
        if self._scale_fn_custom is None:
            self.scale_mode = "iterations" if self.mode == "exp_range" else "cycle"

    def _next_rates(self) -> Rates:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        is_rising = x <= self.step_ratio
        height = x / self.step_ratio if is_rising else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums, strict=True)
            momentums = [high - (high - low) * height * scale for low, high in bounds]
            for group, momentum in zip(self.optimizer.param_groups, momentums, strict=True):
                set_momentum(group, momentum, self.use_beta1)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height * scale for low, high in pairs]
