"""What every optimizer shares: parameter groups, state, hooks, PyTorch's checkpoint layout.

An optimizer is two short methods: `slots` names its state arrays, `update` is the arithmetic on
plain arrays. Everything else is here, once. The trainer never calls `step`: it calls `update`
on slices of the flat parameter vector.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from dtrain.autograd import Tensor, enable_grad, wrap
from dtrain.autograd.hooks import RemovableHandle
from dtrain.optim import checkpoint
from dtrain.optim.arithmetic import Array
from dtrain.optim.groups import Group, Params, complete, given_groups, required
from dtrain.optim.hooks import Hook, no_hooks, register, with_step_hooks

__all__ = ["Array", "Group", "Optimizer", "Params", "RateRule", "Scope", "required"]

Scope: TypeAlias = Literal["element", "tensor", "model"]
RateRule: TypeAlias = Literal["linear", "sqrt"]


class Optimizer:
    """Base of all optimizers.

    params:   tensors, (name, tensor) pairs, or dicts with "params" and options of their own
    defaults: the options of a group that does not set them

    A subclass has `slots` and `update`; or, in a user's own loop, a `step` of its own.
    Raises TypeError or ValueError for what cannot be optimized, with PyTorch's words.
    Source: torch.optim.Optimizer (2.13), whose checkpoints this class reads and writes.
    """

    scope: ClassVar[Scope] = "element"
    """What `update` must see at once: any slice of a parameter ("element"), a whole parameter
    ("tensor"), or every parameter's gradient ("model")."""

    rate_rule: ClassVar[RateRule] = "linear"
    """How the rate grows with the batch (`--scale-batch`): "sqrt" where an update is divided by
    the gradient's size."""

    counts_steps: ClassVar[bool] = True
    """Whether the state has PyTorch's "step" entry. Where it has none, only `t == 1` matters."""

    _opt_called = False  # whether `step` was called: schedulers warn if not; PyTorch's name

    def __init__(self, params: Params, defaults: Mapping[str, Any]) -> None:
        self.defaults: dict[str, Any] = dict(defaults)
        self._hooks = no_hooks()
        self.state: checkpoint.State = defaultdict(dict)
        self.param_groups: list[Group] = []
        for group in given_groups(params):
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A subclass's own `step` gets the hooks as well."""
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            cls.step = with_step_hooks(cls.step)  # type: ignore[method-assign]

    # ------------------------------------------------------------- what an optimizer consists of

    def slots(self, group: Group) -> tuple[str, ...]:
        """Names of the state arrays of this group's parameters: each like its parameter, zeros
        at first."""
        raise NotImplementedError

    def scalars(self, t: int, group: Group, before: Mapping[str, Array]) -> dict[str, Array]:
        """State that is one number for a whole parameter: 0-dim arrays by name.

        The values that the t-th update uses, made from those of the update before, which are not
        changed ({} before the first). A pure function, so that every slice may call it.
        """
        return {}

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        """One update: writes the new weights into `out` and the new state into `slots`.

        w:     weights, any shape; read only, unless `out` is `w` itself
        g:     their gradient (the mean's, not the sum's); may be overwritten
        out:   where the new weights go; may be `w`
        slots: the arrays that `slots(group)` names, changed in place; and those of `scalars`
        t:     1 for the first update of this parameter
        All arrays but scalars have one shape and one float dtype. With scope "element" the result
        for a slice is, bit for bit, that slice of the result for the whole.
        """
        raise NotImplementedError

    # ------------------------------------------------------------------------- the local loop

    @with_step_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; the others stay as they are, state too.

        Returns what `closure` returned, which is called first, with gradients enabled.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for parameter, group in self._parameters():
            if parameter.grad is not None:
                self._update_parameter(parameter, group)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; with `set_to_none=False` fill them with zeros instead."""
        for parameter, _ in self._parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                if not parameter.grad.is_leaf:
                    parameter.grad = parameter.grad.detach()
                parameter.grad._array[...] = 0
                parameter.grad._bump()

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own; missing options come from `defaults`."""
        self.param_groups.append(complete(param_group, self.defaults, self.param_groups))

    def _parameters(self) -> Iterator[tuple[Tensor, Group]]:
        for group in self.param_groups:
            for parameter in group["params"]:
                yield parameter, group

    def _update_parameter(self, parameter: Tensor, group: Group) -> None:
        """The local loop's use of `update`: the whole parameter, in place."""
        assert parameter.grad is not None
        w = parameter._array
        g = parameter.grad._array.astype(w.dtype)  # a copy: update may overwrite it
        arrays, t = self._arrays(parameter, group)
        with np.errstate(all="ignore"):  # as in an op: inf and nan are values, not warnings
            self.update(w, g, w, arrays, t, group)
        parameter._bump()

    def _arrays(self, parameter: Tensor, group: Group) -> tuple[dict[str, Array], int]:
        """A parameter's state arrays for its next update, made if need be, and that update's t."""
        names = self.slots(group)
        if not names and not self.counts_steps:
            return {}, 1
        state = self.state[parameter]
        t = self._count(state, names)
        before = {key: v._array for key, v in state.items() if isinstance(v, Tensor)}
        scalars = self.scalars(t, group, before)
        state.update({name: wrap(array) for name, array in scalars.items()})
        for name in names:
            if state.get(name) is None:
                state[name] = wrap(np.zeros_like(parameter._array))
        return {name: state[name]._array for name in (*names, *scalars)}, t

    def _count(self, state: dict[str, Any], names: tuple[str, ...]) -> int:
        """Count an update in the state; returns its t."""
        if not self.counts_steps:
            return 1 if state.get(names[0]) is None else 2
        step = state.setdefault("step", wrap(np.zeros((), np.float32)))
        step._array[...] += 1
        return int(step._array)

    # ------------------------------------------------------------------------- checkpoints

    def state_dict(self) -> dict[str, Any]:
        """{"state": {parameter's number: its state}, "param_groups": [...]}, as PyTorch's.

        Parameters are numbered through the groups. The arrays are not copied.
        """
        for before in list(self._hooks["state_dict_pre"].values()):
            before(self)
        state_dict = checkpoint.packed(self.param_groups, self.state)
        for after in list(self._hooks["state_dict_post"].values()):
            replaced = after(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        return state_dict

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a `state_dict()`, copying it; floats take their parameter's dtype.

        Options that the saved groups lack stay as they are.
        Raises ValueError when groups or shapes differ from this optimizer's.
        """
        saved: Mapping[str, Any] = dict(state_dict)
        for before in list(self._hooks["load_state_dict_pre"].values()):
            replaced = before(self, saved)
            saved = saved if replaced is None else replaced
        checkpoint.check_sizes(saved["param_groups"], self.param_groups)
        slotted = type(self).slots is not Optimizer.slots
        state = checkpoint.adopted(saved, self.param_groups, slotted)
        for group, other in zip(self.param_groups, saved["param_groups"], strict=True):
            group.update({k: deepcopy(v) for k, v in other.items() if k != "params"})
        # A subclass may add options that an old checkpoint lacks there; PyTorch calls it too.
        self.__setstate__({"state": state, "param_groups": self.param_groups})
        for after in list(self._hooks["load_state_dict_post"].values()):
            after(self)

    def __getstate__(self) -> dict[str, Any]:
        """For `copy` and `pickle`: everything but hooks, as in PyTorch."""
        return {key: value for key, value in vars(self).items() if key != "_hooks"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).setdefault("_hooks", no_hooks())  # not there after a copy or a pickle
        vars(self).update(state)

    def __repr__(self) -> str:
        groups = [
            f"Parameter Group {i}\n"
            + "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
            for i, group in enumerate(self.param_groups)
        ]
        return "\n".join([f"{type(self).__name__} (", *groups]) + ")"

    # ------------------------------------------------------------------------- hooks

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """hook(optimizer, args, kwargs), before each step; may return (args, kwargs) instead."""
        return register(self._hooks["step_pre"], hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """hook(optimizer, args, kwargs), after each step."""
        return register(self._hooks["step_post"], hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer), before each `state_dict()`."""
        return register(self._hooks["state_dict_pre"], hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer, state_dict), after `state_dict()`; may return another one."""
        return register(self._hooks["state_dict_post"], hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """hook(optimizer, state_dict), with a shallow copy, before loading; may return another."""
        return register(self._hooks["load_state_dict_pre"], hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """hook(optimizer), after each `load_state_dict`."""
        return register(self._hooks["load_state_dict_post"], hook, prepend)
