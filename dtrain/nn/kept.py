"""What a model is made of, as it was: to see whether somebody changed that, and to put it back.

A job's model is made in every process by `model()`. What else changes it is not: `optimizer()` is
called in one of them, and a leaf computed in any. So neither may add or replace parameters, buffers
or modules, and what a leaf sets ends with it: hooks, `requires_grad`, and plain attributes of
modules, `self.calls += 1`. Attributes are put back by name: what a list or a dict among them holds
is not looked at, nor is `training`, which each leaf sets first.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from dtrain.nn.registry import HOOKS

if TYPE_CHECKING:
    from dtrain.nn.module import Module

Ids = list[list[Any]]


class _Part(NamedTuple):
    """A module, what is in its tables (ids, names of buffers), its hooks if it has any, and all
    attributes but `training`."""

    name: str
    module: "Module"
    made_of: Ids
    hooks: dict[str, dict[int, Any]] | None
    attributes: dict[str, Any]


class _Held(NamedTuple):
    """A parameter, and what a user may set on it."""

    name: str
    tensor: Any
    requires_grad: bool
    hooks: dict[int, Any]


class Kept:
    """A model's modules and parameters, as they are when this is made."""

    def __init__(self, model: "Module") -> None:
        self._parts = [
            _Part(name, module, _made_of(module), _hooks(module), _attributes(module))
            for name, module in model.named_modules()
        ]
        self._parameters = [
            _Held(name, each, each._requires_grad, dict(each._hooks or {}))
            for name, each in model.named_parameters()
        ]

    def rebuilt(self) -> str | None:
        """Where parameters, buffers or modules were added, replaced or taken away; or None."""
        for part in self._parts:
            if _made_of(part.module) != part.made_of:
                return f"what {_said(part.name)} is made of"
        return None

    def changed(self) -> str | None:
        """The same, or whose `requires_grad` or hooks were changed."""
        for held in self._parameters:
            if held.tensor._requires_grad != held.requires_grad:
                return f"requires_grad of {held.name}"
            if (held.tensor._hooks or {}) != held.hooks:
                return f"the hooks of {held.name}"
        for part in self._parts:
            if _hooks(part.module) != part.hooks:
                return f"the hooks of {_said(part.name)}"
        return self.rebuilt()

    def put_back(self) -> None:
        """`requires_grad`, hooks and attributes of all parameters and modules as they were."""
        for _, tensor, requires_grad, hooks in self._parameters:
            tensor._requires_grad = requires_grad
            if (tensor._hooks or {}) != hooks:
                tensor._hooks = dict(hooks)
        for part in self._parts:
            if part.module._hooked:
                _put_hooks(part.module, part.hooks or {})
            _put_attributes(part.module.__dict__, part.attributes)


def _made_of(module: "Module") -> Ids:
    buffers = [name for name, each in module._buffers.items() if each is not None]
    return [[*map(id, module._parameters.values())], [*map(id, module._modules.values())], buffers]


def _hooks(module: "Module") -> dict[str, dict[int, Any]] | None:
    if not module._hooked:
        return None
    return {table: dict(module.__dict__[table]) for table in HOOKS}


def _put_hooks(module: "Module", before: dict[str, dict[int, Any]]) -> None:
    for name in HOOKS:
        table, held = module.__dict__[name], before.get(name, {})
        if dict(table) != held:
            table.clear()
            table.update(held)


def _attributes(module: "Module") -> dict[str, Any]:
    return {name: value for name, value in module.__dict__.items() if name != "training"}


def _put_attributes(now: dict[str, Any], before: dict[str, Any]) -> None:
    now.update(before)
    if len(now) != len(before) + ("training" in now):
        for name in now.keys() - before.keys() - {"training"}:
            del now[name]


def _said(name: str) -> str:
    return name or "the model"
