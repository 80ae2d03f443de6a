# mypy: disable-error-code="no-any-return"
"""Padding as modules."""

from collections.abc import Sequence
from typing import ClassVar

from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn.module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip

Padding = int | Sequence[int]


class _Pad(Module):
    """One number for all sides, or one for each: last axis first, before and after."""

    ndim: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Padding) -> None:
        super().__init__()
        sides = 2 * self.ndim
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides:
            raise ValueError(f"{type(self).__name__} needs {sides} numbers, got {self.padding}")

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.pad`."""
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _Constant(_Pad):
    mode = "constant"

    def __init__(self, padding: Padding, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.pad`."""
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_Constant):
    """A value on both sides of the last axis."""

    ndim = 1


class ConstantPad2d(_Constant):
    """A value around the last two axes."""

    ndim = 2


class ConstantPad3d(_Constant):
    """A value around the last three axes."""

    ndim = 3


class _Zero(_Constant):
    def __init__(self, padding: Padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_Zero):
    """Zeros on both sides of the last axis."""

    ndim = 1


class ZeroPad2d(_Zero):
    """Zeros around the last two axes."""

    ndim = 2


class ZeroPad3d(_Zero):
    """Zeros around the last three axes."""

    ndim = 3


class ReflectionPad1d(_Pad):
    """The last axis mirrored at its outermost elements."""

    ndim, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The last two axes mirrored at their outermost elements."""

    ndim, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The last three axes mirrored at their outermost elements."""

    ndim, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The outermost elements of the last axis repeated."""

    ndim, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The outermost elements of the last two axes repeated."""

    ndim, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The outermost elements of the last three axes repeated."""

    ndim, mode = 3, "replicate"


class _Circular(_Pad):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.pad`. Raises ValueError for a number of dimensions that does not fit."""
        if input.ndim - self.ndim not in (1, 2):
            raise ValueError(
                f"expected {self.ndim + 1}D or {self.ndim + 2}D input (got {input.ndim}D input)"
            )
        return super().forward(input)


class CircularPad1d(_Circular):
    """The last axis continued with its other end."""

    ndim = 1


class CircularPad2d(_Circular):
    """The last two axes continued with their other ends."""

    ndim = 2


class CircularPad3d(_Circular):
    """The last three axes continued with their other ends."""

    ndim = 3
