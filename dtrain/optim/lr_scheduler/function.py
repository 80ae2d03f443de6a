"""Schedules whose factor is a function that the user wrote."""

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from dtrain.optim.lr_scheduler.base import LRScheduler, Rates
from dtrain.optim.optimizer import Optimizer

Factor: TypeAlias = Callable[[int], Any]


class _FunctionLR(LRScheduler):
    """One function for all groups, or a list of one for each.

    A `state_dict` has the attributes of functions that are objects with `__call__`, and None for
    plain functions, which have nothing to save.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        groups = len(optimizer.param_groups)
        if not isinstance(lr_lambda, list | tuple):
            self.lr_lambdas: list[Any] = [lr_lambda] * groups
        elif len(lr_lambda) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(lr_lambda)}")
        else:
            self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"lr_lambdas": [saved(f) for f in self.lr_lambdas]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                vars(function).update(attributes)


class LambdaLR(_FunctionLR):
    """rate(n) = initial f(n)

    Raises ValueError for a list whose length is not the number of groups.
    """

    def _next_rates(self) -> Rates:
        pairs = zip(self.lr_lambdas, self.base_lrs, strict=True)
        return [base * function(self.last_epoch) for function, base in pairs]


class MultiplicativeLR(_FunctionLR):
    """rate(n) = rate(n - 1) f(n)

    Raises ValueError for a list whose length is not the number of groups, TypeError for what
    cannot be called.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        for each in lr_lambda if isinstance(lr_lambda, list | tuple) else [lr_lambda]:
            if not callable(each):
                kind = type(each).__name__
                raise TypeError(f"lr_lambda should be a function, but got {kind}")
        super().__init__(optimizer, lr_lambda, last_epoch)

    def _next_rates(self) -> Rates:
        if self._is_initial:
            return self._rates()
        pairs = zip(self.lr_lambdas, self.optimizer.param_groups, strict=True)
        return [group["lr"] * function(self.last_epoch) for function, group in pairs]


def saved(function: Any) -> dict[str, Any] | None:
    """What a `state_dict` keeps of a user's function: an object's attributes, else None."""
    if isinstance(function, types.FunctionType) or not hasattr(function, "__dict__"):
        return None
    return dict(vars(function))
