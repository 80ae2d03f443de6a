"""Hooks around a module's forward and backward."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from dtrain.autograd.hooks import RemovableHandle
from dtrain.nn.backward_hooks import Watch
from dtrain.nn.tree import Tree

if TYPE_CHECKING:
    from dtrain.nn.module import Module

Hook = Callable[..., Any]


def put(table: Any, entry: Any, prepend: bool = False) -> RemovableHandle:
    """Put an entry into a table of hooks, after those that are there or before them."""
    handle = RemovableHandle(table)
    table[handle.id] = entry
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


class ForwardHook(NamedTuple):
    """A hook before or after a forward, and how it is called."""

    call: Hook
    with_kwargs: bool
    always_call: bool = False


class Hooked(Tree):
    """A module that hooks can be registered on."""

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before each forward; what it returns replaces `args`.

        With `with_kwargs`, `hook(module, args, kwargs)`, which returns None or both.
        """
        self._hooked = True
        return put(self._forward_pre_hooks, ForwardHook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward; what it returns replaces `output`.

        With `with_kwargs`, `hook(module, args, kwargs, output)`. With `always_call`, also when
        something before it raised an error; then `output` may be None.
        """
        self._hooked = True
        return put(self._forward_hooks, ForwardHook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when backward reaches the module; what it returns
        replaces `grad_output`, a tuple with None for what is no tensor."""
        self._hooked = True
        return put(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when backward has passed the module; what
        it returns replaces `grad_input`, a tuple with an entry for each positional argument.

        Where no input requires a gradient it is called when backward reaches the outputs.
        """
        self._hooked = True
        return put(self._backward_hooks, hook, prepend)


class Call:
    """One call of a module, through its hooks."""

    def __init__(self, module: "Module", args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module, self.args, self.kwargs = module, args, kwargs
        self.output: Any = None
        self.done: set[int] = set()  # hooks that were called after the forward

    def run(self) -> Any:
        """The output of the forward, as the hooks leave it."""
        try:
            for hook in tuple(self.module._forward_pre_hooks.values()):
                self._before(hook)
            watch = self._watch()
            if watch is not None:
                self.args = watch.enter(self.args)
            self.output = self.module.forward(*self.args, **self.kwargs)
            for number, hook in tuple(self.module._forward_hooks.items()):
                self.done.add(number)
                self._after(hook)
            if watch is not None:
                self.output = watch.leave(self.output)
        except Exception:
            self._settle()
            raise
        return self.output

    def _watch(self) -> Watch | None:
        module = self.module
        return Watch(module) if module._backward_hooks or module._backward_pre_hooks else None

    def _before(self, hook: ForwardHook) -> None:
        if not hook.with_kwargs:
            args = hook.call(self.module, self.args)
            if args is not None:
                self.args = args if isinstance(args, tuple) else (args,)
            return
        both = hook.call(self.module, self.args, self.kwargs)
        if both is None:
            return
        if not (isinstance(both, tuple) and len(both) == 2):
            raise RuntimeError(
                "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                f"but got {both}."
            )
        self.args, self.kwargs = both

    def _after(self, hook: ForwardHook) -> None:
        given = (self.args, self.kwargs) if hook.with_kwargs else (self.args,)
        output = hook.call(self.module, *given, self.output)
        if output is not None:
            self.output = output

    def _settle(self) -> None:
        """After an error: the hooks that are always called, where that was not done yet."""
        for number, hook in tuple(self.module._forward_hooks.items()):
            if not hook.always_call or number in self.done:
                continue
            try:
                self._after(hook)
            except Exception as error:
                warnings.warn(
                    "module forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}",
                    stacklevel=4,
                )
