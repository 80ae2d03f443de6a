"""State dicts: a module's parameters and persistent buffers by name."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from dtrain.autograd.hooks import RemovableHandle
from dtrain.autograd.tensor import Tensor
from dtrain.nn.hooks import put
from dtrain.nn.tree import Tree

EXTRA = "_extra_state"

Hook = Callable[..., Any]


class Stateful(Tree):
    """A module whose state can be taken.

    `_version` is saved with it; a subclass that changed its keys sees by it which ones to expect,
    when it loads: see `dtrain.nn.loading`.
    """

    _version: int = 1

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """Parameters and persistent buffers by name, in an OrderedDict; a tied one by every name.

        The tensors share the module's memory; they are out of the graph unless `keep_vars`.
        `_metadata` of the result has the version of each module.
        """
        if args:
            warnings.warn(
                "Positional args of state_dict are deprecated, use keywords instead.",
                FutureWarning,
                stacklevel=2,
            )
            given = (*args, *(destination, prefix, keep_vars)[len(args) :])
            destination, prefix, keep_vars = given
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        return self._after_state_dict(destination, prefix, metadata)

    def _after_state_dict(self, destination: Any, prefix: str, metadata: dict[str, Any]) -> Any:
        for hook, may_replace in self._state_dict_hooks.values():
            answer = hook(self, destination, prefix, metadata)
            if answer is not None and not may_replace:
                raise RuntimeError("state_dict post-hook must return None")
            destination = destination if answer is None else answer
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Put this module's own state into `destination`, for subclasses to extend."""
        for name, value in self._own_state().items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + EXTRA] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        """This module's own parameters, then its persistent buffers."""
        transient = self._non_persistent_buffers_set
        buffers = {name: b for name, b in self._buffers.items() if name not in transient}
        both = {**self._parameters, **buffers}
        return {name: value for name, value in both.items() if value is not None}

    def get_extra_state(self) -> Any:
        """What else belongs into the state dict; a subclass writes this and `set_extra_state`."""
        raise RuntimeError(f"{type(self).__name__} has no extra state")

    def set_extra_state(self, state: Any) -> None:
        """Take over what `get_extra_state` returned."""
        raise RuntimeError(f"{type(self).__name__} has no extra state")

    # Hooks

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before the state is taken."""
        return put(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, metadata)`, which may change the state in place,
        after it was taken."""
        return put(self._state_dict_hooks, (hook, False))

    def _register_state_dict_hook(self, hook: Hook) -> RemovableHandle:
        """The same, for a hook that may also return another state."""
        return put(self._state_dict_hooks, (hook, True))
