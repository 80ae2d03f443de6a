"""What is said of names that PyTorch has and dtrain has not."""

import sys
from typing import Any, NoReturn

_WHERE = "see docs/pytorch.md for what is not there"


def explain(module: str) -> None:
    """Have a module say, for a name that it has not, where to read on."""

    def missing(name: str) -> NoReturn:
        raise AttributeError(f"{module} has no {name!r}: {_WHERE}", name=name, obj=namespace)

    namespace = sys.modules[module]
    vars(namespace)["__getattr__"] = missing  # PEP 562


def attribute(value: Any, name: str) -> Any:
    """The `__getattr__` of a class: the same for its instances; an AttributeError from within a
    property stays what it is."""
    if name.startswith("__"):  # NumPy asks for some of these each time
        raise AttributeError(name)
    if hasattr(type(value), name):
        return object.__getattribute__(value, name)
    raise AttributeError(f"{type(value).__name__} has no {name!r}: {_WHERE}", name=name, obj=value)
