"""Module: a tree of named parameters, buffers and modules, with PyTorch's names and keys."""

import functools
from types import FunctionType
from typing import Any, NoReturn, Self

from dtrain.nn.casting import Casting
from dtrain.nn.hooks import Call, Hooked
from dtrain.nn.loading import Loadable
from dtrain.nn.parameter import write

__all__ = ["Module"]


class Module(Loadable, Casting, Hooked):
    """Base of all layers and models: assign parameters and modules to attributes, write `forward`.

    A buffer that training changes needs a rule, so that leaves computed apart can be put together:
    see `dtrain.nn.updates`.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _name_constructor(cls)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; for subclasses to write."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooked:
            return Call(self, args, kwargs).run()
        return self.forward(*args, **kwargs)

    def train(self, mode: bool = True) -> Self:
        """Put this module and all below it into training mode."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Put this module and all below it into evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train all parameters, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
                continue
            if parameter.grad.requires_grad:
                parameter.grad = parameter.grad.detach()
            write(parameter.grad, 0)

    def share_memory(self) -> NoReturn:
        """Raises RuntimeError: no memory is shared between processes."""
        raise RuntimeError(
            "dtrain shares no modules between processes; to train with several, see `dtrain run "
            "--workers`"
        )

    # Printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses, for subclasses to write."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) == 1 and not self._modules:
            return f"{self._get_name()}({extra})"
        lines += [f"({name}): {indented(repr(each))}" for name, each in self._modules.items()]
        return block(self._get_name(), lines)


def _name_constructor(kind: type[Module]) -> None:
    """Have the constructor that a class has from a private one say its name in errors."""
    inherited: Any = kind.__init__
    if "__init__" in vars(kind) or not inherited.__qualname__.startswith("_"):
        return
    own = FunctionType(
        inherited.__code__, inherited.__globals__, "__init__", inherited.__defaults__,
        inherited.__closure__,
    )  # fmt: skip
    functools.update_wrapper(own, inherited)
    own.__kwdefaults__ = inherited.__kwdefaults__
    own.__qualname__ = f"{kind.__qualname__}.__init__"
    kind.__init__ = own  # type: ignore[method-assign]  # a copy of it


def block(name: str, lines: list[str]) -> str:
    """A name with lines in parentheses below it."""
    return "\n  ".join([f"{name}(", *lines]) + "\n)" if lines else f"{name}()"


def indented(text: str) -> str:
    """The lines after the first one moved to the right, blank ones left blank."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"  {line}" if line.strip() else "" for line in rest)])
