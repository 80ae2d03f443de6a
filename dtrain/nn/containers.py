"""Modules made of modules."""

from collections.abc import Iterator, Mapping
from typing import Any

from dtrain.nn.module import Module

__all__ = ["Sequential"]


class Sequential(Module):
    """Modules one after the other, given as arguments or in a mapping with their names."""

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        named: Any = enumerate(modules)
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = modules[0].items()
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        """The input through one module after the other."""
        for module in self:
            input = module(input)
        return input

    def append(self, module: Module) -> "Sequential":
        """Put a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return (module for module in self._modules.values() if module is not None)

    def __getitem__(self, index: int | slice) -> Any:
        modules = list(self._modules.items())
        if isinstance(index, slice):
            chosen: dict[str, Any] = dict(modules[index])
            return Sequential(chosen)
        return modules[index][1]
