"""Hooks: functions that are called when something happens, and handles that take them away."""

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

Hooks: TypeAlias = dict[int, Callable[..., Any]]

_number = itertools.count().__next__


class RemovableHandle:
    """Takes a hook away again: by `remove()`, or at the end of a `with` block."""

    def __init__(self, hooks: Any, *, extra: Any = ()) -> None:
        """`hooks`: the dictionary that the hook will be put in, under the handle's `id`; `extra`:
        further dictionaries that may have an entry of that id."""
        self.id = _number()
        self._tables = [_reference(table) for table in (hooks, *extra)]

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        for reference in self._tables:
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _reference(table: Any) -> Callable[[], Any]:
    """Weak where that is possible: a handle keeps no module alive."""
    return weakref.ref(table) if isinstance(table, OrderedDict) else lambda: table


def add(hooks: Hooks, hook: Callable[..., Any]) -> RemovableHandle:
    """Put a hook in, after those that are there."""
    if not callable(hook):
        raise TypeError(f"a hook must be callable, not {type(hook).__name__}")
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
