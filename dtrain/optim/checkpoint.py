"""PyTorch's layout of an optimizer's `state_dict`: written, and taken over.

{"state": {parameter's number: its state}, "param_groups": [options and parameters' numbers]}
"""

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np

from dtrain.autograd import Tensor, wrap
from dtrain.optim.groups import Group

State: TypeAlias = defaultdict[Any, dict[str, Any]]

NUMBERS = ("step", "mu_product")  # state that is one number for a parameter


def packed(groups: list[Group], state: State) -> dict[str, Any]:
    """Parameters as numbers, counted through the groups. The arrays are not copied."""
    parameters = [parameter for group in groups for parameter in group["params"]]
    number: dict[int, int] = {}
    for i, parameter in enumerate(parameters):
        number.setdefault(id(parameter), i)
    numbered = [
        {**_options(group), "params": [number[id(p)] for p in group["params"]]} for group in groups
    ]
    entries = {number[id(k)] if isinstance(k, Tensor) else k: v for k, v in state.items()}
    return {"state": entries, "param_groups": numbered}


def _options(group: Group) -> Group:
    return {name: value for name, value in group.items() if name != "params"}


def check_sizes(saved: list[Group], groups: list[Group]) -> None:
    """Raises ValueError unless both have as many groups, of as many parameters."""
    if len(saved) != len(groups):
        raise ValueError("loaded state dict has a different number of parameter groups")
    if any(len(a["params"]) != len(b["params"]) for a, b in zip(saved, groups, strict=True)):
        raise ValueError(
            "loaded state dict contains a parameter group that doesn't match the size "
            "of optimizer's group"
        )


def adopted(saved: Mapping[str, Any], groups: list[Group], slotted: bool) -> State:
    """A copy of a saved state for the parameters of these groups; floats take their dtype.

    slotted: the state is what `Optimizer.slots` promises, arrays shaped like their parameters;
             otherwise a user's own `step` made it, and it may be anything
    """
    numbers = [number for group in saved["param_groups"] for number in group["params"]]
    parameters = [parameter for group in groups for parameter in group["params"]]
    parameter_of = dict(zip(numbers, parameters, strict=True))
    state: State = defaultdict(dict)
    for number, entries in saved["state"].items():
        if number not in parameter_of:  # of no parameter: kept as it is, like PyTorch does
            state[number] = entries
            continue
        parameter = parameter_of[number]
        state[parameter] = {key: _entry(key, v, parameter, slotted) for key, v in entries.items()}
    return state


def _entry(key: str, value: Any, parameter: Tensor, slotted: bool) -> Any:
    """A copy of one entry. Arrays get the parameter's dtype; "step" keeps its own."""
    if slotted and isinstance(value, int | float) and key in NUMBERS:
        return wrap(np.asarray(value, np.float32))  # as they were before PyTorch 1.12
    if not isinstance(value, Tensor | np.ndarray):
        return deepcopy(value)
    array: Any = value._array if isinstance(value, Tensor) else value
    if key == "step":
        return wrap(array.copy())
    if slotted and key not in NUMBERS and array.shape != parameter._array.shape:
        raise ValueError(
            f"loaded state {key!r} has shape {array.shape}, "
            f"its parameter has {parameter._array.shape}"
        )
    return wrap(array.astype(parameter._array.dtype))
