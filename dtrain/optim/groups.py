"""Parameter groups: what users may give, and what a group is made of."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from dtrain.autograd import Tensor
from dtrain.optim.options import check_execution

Group: TypeAlias = dict[str, Any]
Params: TypeAlias = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[Group]


class _Required:
    """The default of an option that every group must give, in optimizers of users' own."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def given_groups(params: Any) -> list[Group]:
    """What an optimizer was given, as groups.

    Raises TypeError for a tensor, ValueError for nothing.
    """
    if isinstance(params, Tensor):
        raise TypeError(
            "params argument given to the optimizer should be an iterable of "
            "Tensors or dicts, but got a Tensor"
        )
    given: list[Any] = list(params)
    if not given:
        raise ValueError("optimizer got an empty parameter list")
    return given if isinstance(given[0], dict) else [{"params": given}]


def complete(given: Any, defaults: Mapping[str, Any], others: list[Group]) -> Group:
    """A new group with all its options, checked by itself and against the others.

    Raises TypeError or ValueError for what cannot be optimized, with PyTorch's words. The same
    parameter twice in one group is a warning, as in PyTorch: it is then updated twice.
    """
    if not isinstance(given, dict):
        raise TypeError(f"param_group must be a dict, but got {type(given)}")
    group = {**given, **_named(given["params"])}
    group.update({name: value for name, value in defaults.items() if name not in group})
    _check_given(group)
    for parameter in group["params"]:
        _check_parameter(parameter)
    check_execution(group)
    _check_names(group, others)
    _check_duplicates(group, others)
    return group


def _check_given(group: Group) -> None:
    for name, value in group.items():
        if value is required:
            raise ValueError(
                f"parameter group didn't specify a value of required optimization parameter {name}"
            )


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


def _check_names(group: Group, others: list[Group]) -> None:
    if any(("param_names" in group) != ("param_names" in other) for other in others):
        kind = "with names" if "param_names" in group else "without names"
        raise ValueError(
            "all optimizer param groups should be with/without names. "
            f"cannot add param group {kind} to the optimizer"
        )


def _check_duplicates(group: Group, others: list[Group]) -> None:
    ours = {id(parameter) for parameter in group["params"]}
    if len(ours) < len(group["params"]):
        warnings.warn(
            "optimizer contains a parameter group with duplicate parameters; "
            "in future, this will cause an error; "
            "see github.com/pytorch/pytorch/issues/40967 for more information",
            stacklevel=6,
        )
    if not ours.isdisjoint(id(parameter) for other in others for parameter in other["params"]):
        raise ValueError("some parameters appear in more than one parameter group")
