"""Functions that users hang onto a step, a `state_dict` and a `load_state_dict`."""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

from dtrain.autograd.hooks import RemovableHandle, add

Hook: TypeAlias = Callable[..., Any]
Registry: TypeAlias = OrderedDict[int, Hook]

KINDS = (
    "step_pre",
    "step_post",
    "state_dict_pre",
    "state_dict_post",
    "load_state_dict_pre",
    "load_state_dict_post",
)


def no_hooks() -> dict[str, Registry]:
    """An empty registry for each kind."""
    return {kind: OrderedDict() for kind in KINDS}


def register(registry: Registry, hook: Hook, prepend: bool = False) -> RemovableHandle:
    """Add a hook after all others, or before them."""
    handle = add(registry, hook)
    if prepend:
        registry.move_to_end(handle.id, last=False)
    return handle


def with_step_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A `step` method that runs the optimizer's hooks, and leaves word that it was called.

    A hook before the step may return the (args, kwargs) to go on with; args begin with the
    optimizer, as in PyTorch. Raises RuntimeError if it returns anything else but None.
    """

    @functools.wraps(step)
    def hooked(self: Any, *given: Any, **kwargs: Any) -> Any:
        args: tuple[Any, ...] = (self, *given)
        for hook in list(self._hooks["step_pre"].values()):
            result = hook(self, args, kwargs)
            if result is not None:
                args, kwargs = _replaced(step, result)
        self._opt_called = True
        out = step(*args, **kwargs)
        for hook in list(self._hooks["step_post"].values()):
            hook(self, args, kwargs)
        return out

    return hooked


def _replaced(step: Callable[..., Any], result: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise RuntimeError(
        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}."
    )
