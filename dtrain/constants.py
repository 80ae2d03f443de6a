"""PyTorch's constants, and the limits of dtypes."""

import math
from typing import Any

import numpy as np

from dtrain.autograd import dtypes
from dtrain.autograd.formats import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    strided,
)

__all__ = [
    "channels_last", "channels_last_3d", "contiguous_format", "e", "finfo", "iinfo", "inf",
    "layout", "memory_format", "nan", "newaxis", "pi", "preserve_format", "strided",
]  # fmt: skip

e, inf, nan, newaxis, pi = math.e, math.inf, math.nan, None, math.pi


class finfo:
    """What a float dtype can hold, the default one's unless told otherwise.

    bits; min and max; eps, from 1 to the next number; tiny and smallest_normal, the least positive
    one of full precision; resolution, 10 ** -(digits that it keeps); dtype, its name.

    Raises TypeError for another dtype.
    """

    def __init__(self, type: Any = None) -> None:
        dtype = dtypes.get_default_dtype() if type is None else dtypes.of(type)
        if not dtype.is_floating_point:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                "'torch.finfo'"
            )
        limits = np.finfo(dtype.dtype)
        self.bits, self.dtype = limits.bits, dtype.dtype.name
        self.min, self.max, self.eps = float(limits.min), float(limits.max), float(limits.eps)
        self.tiny = self.smallest_normal = float(limits.smallest_normal)
        self.resolution = 10.0**-limits.precision

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """What an integer dtype can hold: bits, min and max; dtype, its name.

    Raises TypeError for another dtype.
    """

    def __init__(self, type: Any) -> None:
        dtype = dtypes.of(type)
        if dtype.is_floating_point:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                "'torch.iinfo'"
            )
        if dtype.kind == "b":
            raise TypeError("torch.bool is not supported by torch.iinfo")
        limits = np.iinfo(dtype.dtype)
        self.bits, self.dtype = limits.bits, dtype.dtype.name
        self.min, self.max = int(limits.min), int(limits.max)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
