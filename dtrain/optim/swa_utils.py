# mypy: disable-error-code="no-any-return"
"""Averages of a model's weights over training: PyTorch's `optim.swa_utils`."""

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, TypeAlias

from dtrain.autograd import Tensor, no_grad, tensor
from dtrain.autograd.dtypes import int64
from dtrain.nn.batchnorm import _BatchNorm
from dtrain.nn.module import Module
from dtrain.optim.lr_scheduler.base import LRScheduler, Rates, for_each_group
from dtrain.optim.optimizer import Optimizer

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip

Average: TypeAlias = Callable[[Tensor, Tensor, Any], Tensor]  # (average, newest, models so far)
Averages: TypeAlias = Callable[[list[Tensor], list[Tensor], Any], None]  # in place


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """decay * average + (1 - decay) * newest. Raises ValueError for a decay outside [0, 1]."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    """The mean of all models: average + (newest - average) / (models so far + 1)."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """`get_ema_avg_fn` of lists of tensors, in place; floats by `lerp`."""
    _check_decay(decay)

    @no_grad()
    def ema_update(
        ema_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any
    ) -> None:
        for average, newest in zip(ema_param_list, current_param_list, strict=True):
            if average.is_floating_point():
                average.lerp_(newest, 1 - decay)
            else:
                average.copy_(average * decay + newest * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> Averages:
    """`get_swa_avg_fn` of lists of tensors, in place; floats by `lerp`."""

    @no_grad()
    def swa_update(
        averaged_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any
    ) -> None:
        share = 1 / (num_averaged + 1)
        share = share.item() if isinstance(share, Tensor) else share  # of float32, as PyTorch's
        for average, newest in zip(averaged_param_list, current_param_list, strict=True):
            if average.is_floating_point():
                average.lerp_(newest, share)
            else:
                average.copy_(average + (newest - average) * share)

    return swa_update


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


class AveragedModel(Module):
    """A copy of a model, at `module`, whose weights are an average: by default the mean of what
    `update_parameters` was given.

    avg_fn:        (average, newest, models so far) -> the next average, for each parameter
    multi_avg_fn:  the same for lists of them, in place
    use_buffers:   average the buffers too, in place of copying them

    Source:  Izmailov et al. 2018.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model computes."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take a model into the average; the first one is copied."""
        averages, newest = self._averaged(self.module), self._averaged(model)
        if not int(self.n_averaged):
            _copy(averages, newest)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(averages, newest, self.n_averaged)
        else:
            average = self.avg_fn or get_swa_avg_fn()
            for mine, other in zip(averages, newest, strict=True):
                mine.copy_(average(mine, other, self.n_averaged))
        if not self.use_buffers:
            _copy(self.module.buffers(), model.buffers())
        self.n_averaged += 1

    def _averaged(self, model: Module) -> list[Tensor]:
        buffers = model.buffers() if self.use_buffers else ()
        return [each.detach() for each in chain(model.parameters(), buffers)]


def _copy(to: Iterable[Tensor], source: Iterable[Tensor]) -> None:
    for mine, other in zip(to, source, strict=True):
        mine.copy_(other)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Give batch norm the statistics of all batches of a loader, by one pass of the model in
    training mode over the inputs: a batch, or the first part of it."""
    momenta = {each: each.momentum for each in model.modules() if isinstance(each, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None
    for batch in loader:
        input = batch[0] if isinstance(batch, list | tuple) else batch
        model(input if device is None else input.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


def _linear(t: float) -> float:
    return t


def _cosine(t: float) -> float:
    return (1 - math.cos(math.pi * t)) / 2


_ANNEAL = {"cos": _cosine, "linear": _linear}


class SWALR(LRScheduler):
    """From each group's rate to `swa_lr` over `anneal_epochs`, along a cosine or a line.

    Raises:  ValueError for another strategy, for epochs that are no integer or below 0.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = for_each_group("swa_lr", optimizer, swa_lr)
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in _ANNEAL:
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """How much of `swa_lr` there is at a share t of the epochs."""
        return _ANNEAL[self._anneal_strategy](t)

    def _next_rates(self) -> Rates:
        step = self._step_count - 1
        step = step if self.anneal_epochs else max(1, step)
        before, now = (self.anneal_func(self._share(each)) for each in (step - 1, step))
        return [
            group["swa_lr"] * now + _initial(group["lr"], group["swa_lr"], before) * (1 - now)
            for group in self.optimizer.param_groups
        ]

    def _share(self, step: int) -> float:
        return max(0, min(1, step / max(1, self.anneal_epochs)))


def _initial(rate: Any, swa_lr: Any, share: float) -> Any:
    """The rate at the beginning, from what has become of it."""
    return swa_lr if share == 1 else (rate - share * swa_lr) / (1 - share)
