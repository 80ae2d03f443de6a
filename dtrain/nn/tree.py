"""A tree of modules: walking it, and finding things in it by name."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from dtrain.autograd.tensor import Tensor
from dtrain.nn.parameter import Parameter
from dtrain.nn.registry import Registry

if TYPE_CHECKING:
    from dtrain.nn.module import Module


class Tree(Registry):
    """Names are paths: "body.0.weight" is the parameter "weight" of the module "body.0"."""

    # Walking

    def named_children(self) -> "Iterator[tuple[str, Module]]":
        """Modules directly below, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> "Iterator[Module]":
        """Modules directly below, each once."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: "set[Any] | None" = None, prefix: str = "", remove_duplicate: bool = True
    ) -> "Iterator[tuple[str, Module]]":
        """This module and all below it, each once unless `remove_duplicate` is False."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self  # type: ignore[misc]  # every Tree is a Module
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, join(prefix, name), remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> "Iterator[Module]":
        """This module and all below it, each once unless `remove_duplicate` is False."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters in the order they were registered; a tied one once, by its first name."""
        for full, _, _, value in self._owned("_parameters", prefix, recurse, remove_duplicate):
            yield full, value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters in the order they were registered; a tied one once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers in the order they were registered, each once."""
        for full, _, _, value in self._owned("_buffers", prefix, recurse, remove_duplicate):
            yield full, value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers in the order they were registered, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_buffer_rules(self) -> Iterator[tuple[str, str | None]]:
        """The update rule of each of `named_buffers`."""
        for full, module, name, _ in self._owned_buffers():
            yield full, module._buffer_rules.get(name)

    def _owned_buffers(self) -> "Iterator[tuple[str, Module, str, Any]]":
        return self._owned("_buffers", "", True)

    def _owned(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool = True
    ) -> "Iterator[tuple[str, Module, str, Any]]":
        """(full name, owner, name there, value) of every value of a table."""
        seen: set[int] = set()
        modules: Any = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in modules:
            for name, value in module.__dict__[table].items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield join(path, name), module, name, value

    def apply(self, fn: "Callable[[Module], Any]") -> Self:
        """Call a function on every module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)  # type: ignore[arg-type]  # every Tree is a Module
        return self

    # Finding

    def get_submodule(self, target: str) -> "Module":
        """The module of a path. Raises AttributeError where there is none."""
        module: Any = self
        for name in target.split(".") if target else ():
            module = _attribute(module, name)
            if not isinstance(module, Tree):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module  # type: ignore[no-any-return]  # checked above

    def set_submodule(self, target: str, module: "Module", strict: bool = False) -> None:
        """Put a module at a path, in the place of another; if not `strict`, also at a new name.

        Raises ValueError for an empty path or what is no Module, AttributeError for a path that
        leads nowhere, or to something that is no module.
        """
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Tree):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if (strict or hasattr(parent, name)) and not isinstance(_attribute(parent, name), Tree):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a path. Raises AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        found = _attribute(self.get_submodule(path), name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a path. Raises AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        found = _attribute(owner, name)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found  # type: ignore[no-any-return]  # it is in _buffers


def _attribute(module: Any, name: str) -> Any:
    if not hasattr(module, name):
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    return getattr(module, name)


def join(prefix: str, name: str) -> str:
    """The path of a name below a path, which is "" at the root."""
    return f"{prefix}.{name}" if prefix else name
