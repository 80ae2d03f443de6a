"""Modules made of modules: Sequential, ModuleList, ModuleDict."""

import operator
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import groupby
from typing import Any, Self

from dtrain.nn.module import Module, block, indented
from dtrain.nn.parameter_containers import ParameterDict, ParameterList, pairs_of

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Row(Module):
    """What Sequential and ModuleList share: modules by number."""

    _modules: Any

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._name(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        names = list(self._modules)[idx] if isinstance(idx, slice) else [self._name(idx)]
        for name in names:
            delattr(self, name)
        self._renumber(self._modules.values())

    def pop(self, key: int | slice) -> Any:
        """Take out a module, or several."""
        taken = self[key]  # type: ignore[index]  # the two classes below have __getitem__
        del self[key]
        return taken

    def append(self, module: Module) -> Self:
        """Put a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Put modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, but got "
                f"{type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def _insert(self, index: int, module: Module) -> None:
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)

    def _name(self, idx: int) -> str:
        idx = operator.index(idx)
        if not -len(self) <= idx < len(self):
            raise IndexError(f"index {idx} is out of range")
        name: str = list(self._modules)[idx]
        return name

    def _renumber(self, modules: Iterable[Any]) -> None:
        self._modules = {str(at): module for at, module in enumerate(list(modules))}


class Sequential(_Row):
    """Modules one after the other, given as arguments or in a mapping with their names."""

    def __init__(self, *args: Module | Mapping[str, Module]) -> None:
        super().__init__()
        named: Any = enumerate(args)
        if len(args) == 1 and isinstance(args[0], Mapping):
            named = args[0].items()
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        """The input through one module after the other."""
        for module in self:
            input = module(input)
        return input

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(dict(list(self._modules.items())[idx]))
        return self._modules[self._name(idx)]

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before another; the modules are numbered anew."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        self._insert(index, module)
        return self

    def __add__(self, other: "Sequential") -> "Sequential":
        return Sequential(*self, *_sequential(other))

    def __iadd__(self, other: "Sequential") -> Self:
        return self.extend(_sequential(other))

    def __mul__(self, other: int) -> "Sequential":
        return Sequential(*list(self) * self._times(other))

    def __rmul__(self, other: int) -> "Sequential":
        return self * other

    def __imul__(self, other: int) -> Self:
        return self.extend(list(self) * (self._times(other) - 1))

    def _times(self, other: int) -> int:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")
        return other


def _sequential(other: Any) -> Sequential:
    if not isinstance(other, Sequential):
        raise ValueError(
            f"add operator supports only objects of Sequential class, but {type(other)} is given."
        )
    return other


class ModuleList(_Row):
    """A list of modules, which are found as if they were attributes."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self)[idx])
        return self._modules[self._name(idx)]

    def insert(self, index: int, module: Module) -> None:
        """Put a module before another."""
        self._insert(index, module)

    def __add__(self, other: Iterable[Module]) -> "ModuleList":
        return ModuleList([*self, *other])

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __repr__(self) -> str:
        """As that of any module, with equal ones in a row put together: "(0-5): 6 x Linear()"."""
        lines = []
        for text, alike in groupby(enumerate(map(repr, self)), key=operator.itemgetter(1)):
            first, *others = [at for at, _ in alike]
            count = f"({first}-{others[-1]}): {len(others) + 1} x" if others else f"({first}):"
            lines.append(indented(f"{count} {text}"))
        return block(self._get_name(), lines)


class ModuleDict(Module):
    """A dictionary of modules, which are found as if they were attributes."""

    _modules: Any

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take out all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take out a module."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """The names."""
        keys: KeysView[str] = self._modules.keys()
        return keys

    def items(self) -> ItemsView[str, Any]:
        """Pairs of name and module."""
        items: ItemsView[str, Any] = self._modules.items()
        return items

    def values(self) -> ValuesView[Any]:
        """The modules."""
        values: ValuesView[Any] = self._modules.values()
        return values

    def update(self, modules: Any) -> None:
        """Put in modules from a mapping, or from pairs of name and module."""
        if isinstance(modules, Mapping | ModuleDict):
            modules = modules.items()
        for key, module in pairs_of(modules, "ModuleDict"):
            self[key] = module
