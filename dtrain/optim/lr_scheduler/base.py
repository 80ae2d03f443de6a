"""What every scheduler shares: a count of steps, and rates written into an optimizer's groups.

A scheduler needs nothing of its optimizer but `param_groups`. Its whole state are plain attributes
with PyTorch's names, so that `state_dict()` is the same dict. Most rules are recursive, like
PyTorch's: the next rate is made from the group's rate, which others may have changed meanwhile.
"""

import warnings
from collections.abc import Mapping
from typing import Any, TypeAlias

from dtrain.autograd import Tensor, wrap
from dtrain.optim.optimizer import Group, Optimizer

Rates: TypeAlias = list[Any]  # one for each group: a float, or a 0-dim tensor where lr is one

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being "
    "deprecated where possible. Please use `scheduler.step()` to step the "
    "scheduler. During the deprecation, if epoch is different from None, the "
    "closed form is used instead of the new chainable form, where available. "
    "Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)
HOW_TO = (
    "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)


class LRScheduler:
    """Base of all schedulers. A subclass has `_next_rates`, or a `get_lr` of its own.

    last_epoch: -1 to begin, or the last epoch of a run that goes on; then each group must have
                its "initial_lr"

    Raises:  TypeError for what is no optimizer, KeyError for a missing "initial_lr".
    Source:  torch.optim.lr_scheduler (2.13).
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(_missing(i))
        self.base_lrs: Rates = values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch; or, deprecated, to `epoch`, in closed form where there is one.

        Call it after the optimizer's `step`: a UserWarning says so if that was never called.
        """
        if self._step_count == 1:
            _warn_of_order(self.optimizer)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def get_last_lr(self) -> Rates:
        """The rates that the last step set; tensors are copies."""
        return self._last_lr

    def get_lr(self) -> Rates:
        """The next rates, which is for `step` alone: a UserWarning says so elsewhere."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, "
                "please use `get_last_lr()`.",
                UserWarning,
                stacklevel=2,
            )
        return self._next_rates()

    def state_dict(self) -> dict[str, Any]:
        """Every attribute but the optimizer."""
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a `state_dict()`."""
        vars(self).update(state_dict)

    def _next_rates(self) -> Rates:
        """The rates of epoch `last_epoch`, which `step` has just counted."""
        raise NotImplementedError

    def _rates(self) -> Rates:
        """The groups' rates as they are."""
        return values(self.optimizer, "lr")

    def _scaled(self, factor: Any) -> Rates:
        """The groups' rates, times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            rates = self.get_lr() if closed is None else closed()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)

    def _set(self, rates: Rates) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_value(group, "lr", rate)
        self._last_lr: Rates = self._rates()


class _LRScheduler(LRScheduler):
    """The base's name before PyTorch 2.0, from which scripts derive their own schedules."""


def check_optimizer(optimizer: Any) -> None:
    """Raises TypeError for what is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def values(optimizer: Optimizer, key: str) -> list[Any]:
    """An option of every group; tensors are copied."""
    return [_copied(group[key]) for group in optimizer.param_groups]


def set_value(group: Group, key: str, value: Any) -> None:
    """Set an option; where it is a tensor, change that in place, for whoever else has it."""
    if isinstance(group[key], Tensor):
        array = value._array.reshape(()) if isinstance(value, Tensor) else value
        group[key]._array[...] = array
    else:
        group[key] = value


def for_each_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A list or tuple of a value for each group; anything else, repeated.

    Raises ValueError for a list of another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [_copied(value) for _ in range(groups)]
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {groups}."
        )
    return [_copied(each) for each in value]


def _copied(value: Any) -> Any:
    return wrap(value._array.copy()) if isinstance(value, Tensor) else value


def _missing(index: int) -> str:
    return (
        f"param 'initial_lr' is not specified in param_groups[{index}] when resuming scheduler "
        "with last_epoch >= 0.\n"
        "This typically happens when:\n"
        "1. You're trying to resume training from a checkpoint but haven't properly loaded the "
        "optimizer state\n"
        "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
    )


def _warn_of_order(optimizer: Optimizer) -> None:
    """At a scheduler's first step, if the optimizer has made none."""
    if optimizer._opt_called:
        return
    if "step" in vars(optimizer):  # whether that one was called cannot be known
        text = (
            "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
            "initialization. Please, make sure to call `optimizer.step()` before "
            "`lr_scheduler.step()`. "
        )
    else:
        text = (
            "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
            "In PyTorch 1.1.0 and later, you should call them in the opposite order: "
            "`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this "
            "will result in PyTorch skipping the first value of the learning rate schedule. "
        )
    warnings.warn(text + HOW_TO, UserWarning, stacklevel=3)
