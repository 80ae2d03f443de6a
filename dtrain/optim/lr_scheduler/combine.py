"""Schedulers made of schedulers: one after the other, or all at once."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from dtrain.optim.lr_scheduler.base import LRScheduler, set_value, values
from dtrain.optim.lr_scheduler.plateau import ReduceLROnPlateau
from dtrain.optim.optimizer import Optimizer


class _Combined(LRScheduler):
    """A `state_dict` has those of the members in the place of the members."""

    _schedulers: Sequence[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        members = [member.state_dict() for member in self._schedulers]
        return super().state_dict() | {"_schedulers": members}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for member, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            member.load_state_dict(state)


class SequentialLR(_Combined):
    """One scheduler after the other: the next takes over, at its epoch 0, at each milestone.

    Raises:  ValueError without schedulers, for another number of milestones than schedulers - 1,
             for a ReduceLROnPlateau and for schedulers of another optimizer; TypeError for what
             is no scheduler.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError("SequentialLR expects at least one scheduler, but got no scheduler.")
        _check_members(type(self).__name__, schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more "
                "than the number of milestone points, but got number of schedulers "
                f"{len(schedulers)} and the number of milestones to be equal to {len(milestones)}"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            set_value(group, "lr", group["initial_lr"])
        _undo(self)  # the members have stepped when they were made
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]  # PyTorch's has no epoch either
        """Step the scheduler whose turn it is."""
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        member = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            member._update_lr(0)
        else:
            member.step()
        self._last_lr = member.get_last_lr()


class ChainedScheduler(_Combined):
    """All schedulers in each step: their factors multiply.

    optimizer: the first scheduler's, by default

    Raises:  ValueError without schedulers, for a ReduceLROnPlateau and for schedulers of another
             optimizer; TypeError for what is no scheduler.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError(
                "ChainedScheduler expects at least one scheduler to be chained, but got no "
                "scheduler."
            )
        optimizer = optimizer or schedulers[0].optimizer
        _check_members(type(self).__name__, schedulers, optimizer)
        self._schedulers = schedulers
        self.optimizer = optimizer
        self._last_lr = values(optimizer, "lr")

    def step(self) -> None:  # type: ignore[override]  # PyTorch's has no epoch either
        """Step every scheduler, in order."""
        for member in self._schedulers:
            member.step()
        self._last_lr = values(self.optimizer, "lr")


def _check_members(name: str, schedulers: Sequence[LRScheduler], optimizer: Optimizer) -> None:
    for i, member in enumerate(schedulers):
        if not hasattr(member, "optimizer"):
            raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute.")
        if isinstance(member, ReduceLROnPlateau):
            raise ValueError(
                f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional "
                "kwargs to be specified when calling `step`, "
                f"but got one at index {i} in the given schedulers sequence."
            )
        if member.optimizer is not optimizer:
            raise ValueError(
                f"{name} expects all schedulers to belong to the same optimizer, but "
                f"got scheduler {type(member).__name__} at index {i} has {member.optimizer}, "
                f"which is different from {type(optimizer).__name__}."
            )


def _undo(scheduler: LRScheduler) -> None:
    """Count back the step that a scheduler, or each of its members, made when it was made."""
    if isinstance(scheduler, _Combined):
        for member in scheduler._schedulers:
            _undo(member)
    else:
        scheduler.last_epoch -= 1
