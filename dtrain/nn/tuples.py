"""A number for each dimension; prefixes of keys: what torch.nn.modules.utils has."""

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """What makes a tuple of n out of a number, and leaves a tuple or list its own length."""

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    parse.__name__ = name
    return parse


_single, _pair = _ntuple(1, "_single"), _ntuple(2, "_pair")
_triple, _quadruple = _ntuple(3, "_triple"), _ntuple(4, "_quadruple")


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Strip a prefix, such as "module.", off all keys that have it, in place."""
    _strip(state_dict, prefix)
    if hasattr(state_dict, "_metadata"):
        metadata = state_dict._metadata
        if prefix.replace(".", "") in metadata:
            metadata[""] = metadata.pop(prefix.replace(".", ""))
        _strip(metadata, prefix)


def _strip(named: dict[str, Any], prefix: str) -> None:
    for key in [key for key in named if key.startswith(prefix)]:
        named[key.removeprefix(prefix)] = named.pop(key)
