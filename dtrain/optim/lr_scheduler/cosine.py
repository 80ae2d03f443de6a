"""Cosine annealing, with and without restarts."""

import math
from typing import Any

from dtrain.optim.lr_scheduler.base import LRScheduler, Rates
from dtrain.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial rate to `eta_min`, in `T_max` epochs; then up again.

    rate(n) = eta_min + (initial - eta_min) (1 + cos(pi n / T_max)) / 2

    Source:  Loshchilov and Hutter 2017, "SGDR", eq. 5, without restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _next_rates(self) -> Rates:
        n, groups = self.last_epoch, self.optimizer.param_groups
        if self._is_initial:
            return self._rates()
        if self._step_count == 1 and n > 0:
            return [
                _annealed(self.eta_min, base, n * math.pi / self.T_max) for base in self.base_lrs
            ]
        if (n - 1 - self.T_max) % (2 * self.T_max) == 0:  # the rate is eta_min: no ratio leads away
            rise = 1 - math.cos(math.pi / self.T_max)
            pairs = zip(self.base_lrs, groups, strict=True)
            return [group["lr"] + (base - self.eta_min) * rise / 2 for base, group in pairs]
        height = 1 + math.cos(math.pi * n / self.T_max)
        before = 1 + math.cos(math.pi * (n - 1) / self.T_max)
        ratio = height / before
        return [ratio * (group["lr"] - self.eta_min) + self.eta_min for group in groups]

    def _get_closed_form_lr(self) -> Rates:
        angle = math.pi * self.last_epoch / self.T_max
        return [_annealed(self.eta_min, base, angle) for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the initial rate to `eta_min` in T_0 epochs; again, in T_0 T_mult; ...

    rate(n) = eta_min + (initial - eta_min) (1 + cos(pi T_cur / T_i)) / 2

    T_cur epochs after the last restart, of T_i that there are until the next.

    Raises:  ValueError for a T_0 or T_mult that is not a positive integer, an eta_min that is no
             number, a negative epoch.
    Source:  Loshchilov and Hutter 2017, "SGDR", eq. 5.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, float | int):
            raise ValueError(
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}"
            )
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min = T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch; or to `epoch`, which may be a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self._go_on()
        else:
            self._go_to(epoch)
        self.last_epoch = math.floor(epoch)
        self._get_lr_called_within_step = True
        try:
            rates = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)

    def _next_rates(self) -> Rates:
        angle = math.pi * self.T_cur / self.T_i
        return [_annealed(self.eta_min, base, angle) for base in self.base_lrs]

    def _go_on(self) -> None:
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur %= self.T_i
            self.T_i *= self.T_mult

    def _go_to(self, epoch: float) -> None:
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            restarts = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            started = self.T_0 * (self.T_mult**restarts - 1) / (self.T_mult - 1)
            self.T_cur = epoch - started
            self.T_i = self.T_0 * self.T_mult**restarts


def _annealed(low: float, high: Any, angle: float) -> Any:
    return low + (high - low) * (1 + math.cos(angle)) / 2
