"""State dicts back into modules."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dtrain.autograd.hooks import RemovableHandle
from dtrain.autograd.modes import no_grad
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.nn.hooks import put
from dtrain.nn.parameter import Parameter, write
from dtrain.nn.state import EXTRA, Hook, Stateful


class _IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found missing or too many."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys!r}, "
            f"unexpected_keys={self.unexpected_keys!r})"
        )


class Loading(NamedTuple):
    """One `load_state_dict`: what was found so far, and the versions that came with the state."""

    missing: list[str]
    unexpected: list[str]
    errors: list[str]
    metadata: Mapping[str, Any]
    assign: bool


class LoadHook(NamedTuple):
    """A hook before a module loads, and whether it wants to be told the module."""

    call: Hook
    with_module: bool


class Loadable(Stateful):
    """A module whose state can be put back."""

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy values (tensors or arrays) into parameters and buffers; returns which keys differ.

        With `assign` the tensors themselves take the place of the module's; an optimizer must be
        made after that. Raises TypeError for what is no mapping; RuntimeError, listing everything
        that is wrong, for a size that differs and, if `strict`, for a key that is missing or not
        known. As in PyTorch, what fits has been copied even then.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        state: Any = OrderedDict(state_dict)  # hooks and overriding methods may change it
        if metadata is not None:
            state._metadata = metadata
        loading = Loading([], [], [], metadata or {}, assign)
        self._load(state, "", loading)
        errors = [*_key_errors(loading), *loading.errors] if strict else loading.errors
        if errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(errors)
            )
        return _IncompatibleKeys(loading.missing, loading.unexpected)

    def _load(self, state: Any, prefix: str, loading: Loading) -> None:
        """Load this module, then those below it, each from the part of the state that is its."""
        metadata = loading.metadata.get(prefix[:-1], {})
        if loading.assign:
            metadata = {**metadata, "assign_to_params_buffers": True}
        found = (loading.missing, loading.unexpected, loading.errors)
        self._load_from_state_dict(state, prefix, metadata, True, *found)
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}{name}."
                part = {key: value for key, value in state.items() if key.startswith(below)}
                module._load(part, below, loading)
        keys = _IncompatibleKeys(loading.missing, loading.unexpected)
        for hook in self._load_state_dict_post_hooks.values():
            if hook(self, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected "
                    "to return new values, if incompatible_keys need to be modified, it should be "
                    "done inplace."
                )

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own state, for subclasses to extend.

        `local_metadata["version"]` is the `_version` that the state was saved with, if it is
        known. What is wrong is put into the three lists.
        """
        found = (missing_keys, unexpected_keys, error_msgs)
        for hook in self._load_state_dict_pre_hooks.values():
            told = (self,) if hook.with_module else ()
            hook.call(*told, state_dict, prefix, local_metadata, strict, *found)
        own = self._own_state()
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, value in own.items():
            key = prefix + name
            if key in state_dict:
                error = self._load_one(name, value, key, state_dict[key], assign)
                error_msgs += [] if error is None else [error]
            elif strict:
                missing_keys.append(key)
        known = {*own, *self._load_extra(state_dict, prefix + EXTRA, strict, missing_keys)}
        if strict:
            unexpected_keys += self._unexpected(state_dict, prefix, known)

    def _load_one(self, name: str, value: Tensor, key: str, given: Any, assign: bool) -> str | None:
        """Load one tensor; returns what was wrong."""
        if not isinstance(given, Tensor | np.ndarray):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
                f"object from checkpoint but received {type(given)}"
            )
        if value.ndim == 0 and given.shape == (1,):  # how PyTorch 0.3 saved a number
            given = given[0] if isinstance(given, Tensor) else given.reshape(())
        if tuple(given.shape) != tuple(value.shape):
            return (
                f"size mismatch for {key}: copying a param with shape {_size(given)} from "
                f"checkpoint, the shape in current model is {_size(value)}."
            )
        try:
            with no_grad():
                self._take(name, value, given, assign)
        except Exception as error:  # PyTorch reports it with everything else that is wrong
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{_size(value)} and whose dimensions in the checkpoint are {_size(given)}, "
                f"an exception occurred : {error.args}."
            )
        return None

    def _take(self, name: str, value: Tensor, given: Any, assign: bool) -> None:
        if not assign:
            write(value, given._array if isinstance(given, Tensor) else given)
        elif not isinstance(value, Parameter):
            setattr(self, name, given if isinstance(given, Tensor) else wrap(given))
        elif isinstance(given, Parameter):
            setattr(self, name, given.requires_grad_(value.requires_grad))
        else:
            setattr(self, name, Parameter(given, value.requires_grad))

    def _load_extra(self, state: Any, key: str, strict: bool, missing: list[str]) -> set[str]:
        """Load the extra state, if this class has any; then its name is one to expect."""
        if type(self).set_extra_state is Stateful.set_extra_state:
            return set()
        if key in state:
            self.set_extra_state(state[key])
        elif strict:
            missing.append(key)
        return {EXTRA}

    def _unexpected(self, state: Any, prefix: str, known: set[str]) -> list[str]:
        """Keys that belong neither to this module nor to one below."""
        unexpected = []
        for key in state:
            if key.startswith(prefix):
                name, *rest = key[len(prefix) :].split(".", 1)
                if name not in (self._modules if rest else known):
                    unexpected.append(key)
        return unexpected

    # Hooks

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, metadata, strict, missing_keys, unexpected_keys,
        error_msgs)` before the module loads; it may change the state and the lists."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Hook, with_module: bool = False
    ) -> RemovableHandle:
        """The same, for a hook that is not told the module."""
        return put(self._load_state_dict_pre_hooks, LoadHook(hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)`, which may change the two lists, after the module
        and all below it have loaded."""
        return put(self._load_state_dict_post_hooks, hook)


def _key_errors(loading: Loading) -> list[str]:
    found = {"Missing": loading.missing, "Unexpected": loading.unexpected}
    return [
        f"{what} key(s) in state_dict: " + ", ".join(f'"{key}"' for key in keys) + ". "
        for what, keys in found.items()
        if keys
    ]


def _size(value: Any) -> str:
    return f"torch.Size({list(value.shape)})"
