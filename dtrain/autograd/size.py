"""Size: a shape that prints as PyTorch's."""

import math
import operator
from collections.abc import Iterable
from typing import Any, Self


class Size(tuple[int, ...]):
    """A tuple of sizes. Raises TypeError for what is no integer."""

    __slots__ = ()

    def __new__(cls, sizes: Iterable[Any] = ()) -> Self:
        return tuple.__new__(cls, map(operator.index, sizes))

    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self)

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found

    def __add__(self, other: Any) -> "Size":
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: tuple[int, ...]) -> "Size":
        return Size(other + tuple(self))

    def __mul__(self, times: Any) -> "Size":
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"
