"""What every optimizer shares: parameter groups, state, PyTorch's checkpoint layout.

An optimizer is two short methods: `slots` names its state arrays, `update` is the arithmetic on
plain arrays. Everything else is here, once. The trainer never calls `step`: it calls `update`
on slices of the flat parameter vector.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dtrain.autograd import Tensor, enable_grad

Array = NDArray[Any]
Group = dict[str, Any]
Params = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[Group]
Scope = Literal["element", "tensor", "model"]


class Optimizer:
    """Base of all optimizers.

    params:   tensors, (name, tensor) pairs, or dicts with "params" and options of their own
    defaults: the options of a group that does not set them

    Raises TypeError or ValueError for what cannot be optimized, with PyTorch's words.
    Source: torch.optim.Optimizer (2.13), whose checkpoints this class reads and writes.
    """

    scope: ClassVar[Scope] = "element"
    """What `update` must see at once: any slice of a parameter ("element"), a whole parameter
    ("tensor"), or every parameter's gradient ("model")."""

    counts_steps: ClassVar[bool] = True
    """Whether the state has PyTorch's "step" entry. Where it has none, only `t == 1` matters."""

    def __init__(self, params: Params, defaults: Mapping[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of "
                "Tensors or dicts, but got a Tensor"
            )
        self.defaults: dict[str, Any] = dict(defaults)
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        given: list[Any] = list(params)
        if not given:
            raise ValueError("optimizer got an empty parameter list")
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)

    def slots(self, group: Group) -> tuple[str, ...]:
        """Names of the state arrays of this group's parameters: each like its parameter, zeros
        at first."""
        raise NotImplementedError

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        """One update: writes the new weights into `out` and the new state into `slots`.

        w:     weights, any shape; read only, unless `out` is `w` itself
        g:     their gradient (the mean's, not the sum's); may be overwritten
        out:   where the new weights go; may be `w`
        slots: the arrays that `slots(group)` names, changed in place
        t:     1 for the first update of this parameter
        All arrays have one shape and one float dtype. With scope "element" the result for a
        slice is, bit for bit, that slice of the result for the whole.
        """
        raise NotImplementedError

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
                parameter.grad._array[...] = 0

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own; missing options come from `defaults`."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = {**param_group, **_named(param_group["params"])}
        for parameter in group["params"]:
            _check_parameter(parameter)
        known = {id(parameter) for parameter, _ in self._parameters()}
        ours = [id(parameter) for parameter in group["params"]]
        if len(set(ours)) < len(ours) or not known.isdisjoint(ours):
            raise ValueError("some parameters appear in more than one parameter group")
        if any(("param_names" in group) != ("param_names" in other) for other in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names: "
                "pass named_parameters() for every group, or for none"
            )
        self.param_groups.append({**self.defaults, **group})

    def state_dict(self) -> dict[str, Any]:
        """{"state": {parameter's number: its state}, "param_groups": [...]}, as PyTorch's.

        Parameters are numbered through the groups. The arrays are not copied.
        """
        number = {id(p): i for i, (p, _) in enumerate(self._parameters())}
        groups = [
            {**group, "params": [number[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        return {"state": {number[id(p)]: s for p, s in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a `state_dict()`, copying it; floats take their parameter's dtype.

        Raises ValueError when groups or shapes differ from this optimizer's.
        """
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(saved_groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            if len(group["params"]) != len(saved["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size "
                    "of optimizer's group"
                )
        numbers = [number for saved in saved_groups for number in saved["params"]]
        parameter_of = dict(zip(numbers, (p for p, _ in self._parameters()), strict=True))
        self.state = defaultdict(dict)
        for number, entries in state_dict["state"].items():
            parameter = parameter_of[number]
            self.state[parameter] = {k: _adopt(k, v, parameter) for k, v in entries.items()}
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            group.update({key: v for key, v in saved.items() if key != "params"})

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    def _parameters(self) -> Iterator[tuple[Tensor, Group]]:
        for group in self.param_groups:
            for parameter in group["params"]:
                yield parameter, group

    def _update_parameter(self, parameter: Tensor, group: Group) -> None:
        """The local loop's use of `update`: the whole parameter, in place."""
        assert parameter.grad is not None
        w = parameter._array
        g = parameter.grad._array.astype(w.dtype)  # a copy: update may overwrite it
        names = self.slots(group)
        if not names and not self.counts_steps:
            self.update(w, g, w, {}, 1, group)
            return
        state = self.state[parameter]
        t = self._next_t(state, names)
        for name in names:
            if state.get(name) is None:
                state[name] = Tensor(np.zeros_like(w))
        self.update(w, g, w, {name: state[name]._array for name in names}, t, group)
        if self.counts_steps:
            state["step"] = Tensor(np.asarray(t, np.float32))

    def _next_t(self, state: dict[str, Any], names: tuple[str, ...]) -> int:
        if self.counts_steps:
            return int(state["step"]._array) + 1 if "step" in state else 1
        return 1 if state.get(names[0]) is None else 2


def check_rate(lr: float) -> None:
    """Raises ValueError for a negative or not-a-number learning rate, with PyTorch's words."""
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_decay(weight_decay: float) -> None:
    """Raises ValueError for a negative or not-a-number weight decay, with PyTorch's words."""
    if not weight_decay >= 0.0:
        raise ValueError(f"Invalid weight_decay value: {weight_decay}")


def _named(params: Any) -> Group:
    """A group's "params" as a list, and "param_names" where (name, tensor) pairs were given."""
    if isinstance(params, Tensor):
        return {"params": [params]}
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering "
            "of tensors in sets will change between runs. Please use a list instead."
        )
    given = list(params)
    named = [pair for pair in given if isinstance(pair, tuple)]
    if not named:
        return {"params": given}
    if len(named) < len(given):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return {"params": [p for _, p in named], "param_names": [name for name, _ in named]}


def _check_parameter(parameter: Any) -> None:
    if not isinstance(parameter, Tensor):
        raise TypeError(
            "optimizer can only optimize Tensors, "
            f"but one of the params is {type(parameter).__name__}"
        )
    if not parameter.is_leaf:
        raise ValueError("can't optimize a non-leaf Tensor")


def _adopt(key: str, value: Any, parameter: Tensor) -> Any:
    """A copy of one loaded state entry; arrays get the parameter's dtype, "step" keeps its own."""
    if not isinstance(value, Tensor | np.ndarray):
        return deepcopy(value)
    array: Array = value._array if isinstance(value, Tensor) else value
    if key == "step":
        return Tensor(array.copy())
    if array.shape != parameter._array.shape:
        raise ValueError(
            f"loaded state {key!r} has shape {array.shape}, "
            f"its parameter has {parameter._array.shape}"
        )
    return Tensor(array.astype(parameter._array.dtype))
