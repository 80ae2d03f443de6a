"""The momentum that CyclicLR and OneCycleLR move against the rate: SGD's, or Adam's beta1."""

from typing import Any

from dtrain.optim.lr_scheduler.base import for_each_group
from dtrain.optim.optimizer import Group, Optimizer


def start_momentum(
    optimizer: Optimizer, base_momentum: Any, max_momentum: Any, last_epoch: int
) -> tuple[bool, list[Any], list[Any]]:
    """Put the groups at the top of their range, and the range into the groups, unless resuming.

    Returns whether the momentum is a beta1, and the bounds for each group: least, greatest.
    Raises ValueError for an optimizer that has neither, and lists of another length than groups.
    """
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError(
            "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
        )
    is_beta1 = "betas" in optimizer.defaults
    least = for_each_group("base_momentum", optimizer, base_momentum)
    greatest = for_each_group("max_momentum", optimizer, max_momentum)
    if last_epoch == -1:
        for low, high, group in zip(least, greatest, optimizer.param_groups, strict=True):
            set_momentum(group, high, is_beta1)
            group["max_momentum"], group["base_momentum"] = high, low
    return is_beta1, least, greatest


def set_momentum(group: Group, momentum: Any, is_beta1: bool) -> None:
    """Set a group's momentum, or its first beta."""
    if is_beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
