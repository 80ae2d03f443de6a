"""What PyTorch makes of operands that NumPy takes otherwise: numbers beyond a dtype's range, bools.

Each function here is the `prepare` of an op or stands in one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import common
from dtrain.autograd.value import Array

KINDS = {
    "float16": "Half", "float32": "Float", "float64": "Double", "uint8": "Byte", "int8": "Char",
    "int16": "Short", "int32": "Int", "int64": "Long", "bool": "Bool",
}  # fmt: skip


def wrapping(values: list[Any]) -> list[Any]:
    """Two operands in their common dtype; a Python integer beyond its range wraps around."""
    left, right = values = common(values)
    if left.__class__ is int and right.dtype.kind in "iu":
        return [_wrapped(left, right.dtype), right]
    if right.__class__ is int and left.dtype.kind in "iu":
        return [left, _wrapped(right, left.dtype)]
    return values


def _wrapped(number: int, dtype: Any) -> Any:
    limits = np.iinfo(dtype)
    if limits.min <= number <= limits.max:
        return number
    return np.int64(number).astype(dtype)


def converted(number: Any, dtype: np.dtype[Any]) -> Any:
    """A Python number as one of a dtype; unsigned ones wrap a negative number around. Raises
    RuntimeError where it does not fit."""
    if dtype.kind == "f":
        fits = dtype != np.float16 or not np.isfinite(number) or abs(number) <= 65504
    elif dtype.kind in "iu":
        limits = np.iinfo(dtype)
        fits = (-limits.max if dtype.kind == "u" else limits.min) <= number <= limits.max
    else:
        fits = True
    if not fits:
        name = _NAMES[dtype.name]
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    return np.int64(number).astype(dtype) if dtype.kind == "u" else dtype.type(number)


_NAMES = {
    "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t",
    "float16": "at::Half",
}  # fmt: skip


def is_bool(value: Any) -> bool:
    """Whether it is a bool or an array of these."""
    return isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_


def without_bools(values: list[Any]) -> list[Any]:
    """`wrapping`, for a difference. Raises RuntimeError for bools."""
    left, right = values
    if (
        left.__class__ is np.ndarray is right.__class__
        and left.dtype.kind == "f" == right.dtype.kind
    ):
        return wrapping(values)
    one, other = is_bool(left), is_bool(right)
    if one and other:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    if one or other:
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )
    return wrapping(values)


def whole(kernel: str, *, bools: bool = True) -> Callable[[list[Any]], list[Any]]:
    """`wrapping` for integers, and bools if they make sense.

    Raises NotImplementedError for others.
    """

    def prepare(values: list[Any]) -> list[Any]:
        values = wrapping(values) if len(values) == 2 else values
        dtype = next(each.dtype for each in values if isinstance(each, np.ndarray | np.generic))
        if dtype.kind == "f" or (dtype.kind == "b" and not bools):
            raise not_implemented(kernel, dtype)
        return values

    return prepare


def dividing(kernel: str) -> Callable[[list[Any]], list[Any]]:
    """`wrapping`, for quotients of integers. Raises RuntimeError for a divisor of 0, and
    NotImplementedError for bools."""

    def prepare(values: list[Any]) -> list[Any]:
        values = wrapping(values)
        dtype = next(each.dtype for each in values if isinstance(each, np.ndarray | np.generic))
        if dtype.kind == "b":
            raise not_implemented(kernel, dtype)
        if dtype.kind in "iu" and not np.all(values[1]):
            raise RuntimeError("ZeroDivisionError")
        return values

    return prepare


def numbers(kernel: str) -> Callable[[list[Any]], list[Any]]:
    """Raises NotImplementedError for a bool array."""

    def prepare(values: list[Any]) -> list[Any]:
        require_numbers(values[0], kernel)
        return values

    return prepare


def require_numbers(x: Array, kernel: str) -> None:
    """Raises NotImplementedError for a bool array."""
    if x.dtype.kind == "b":
        raise not_implemented(kernel, x.dtype)


def not_implemented(kernel: str, dtype: Any) -> NotImplementedError:
    """PyTorch's error for a dtype that a function does not take."""
    name = KINDS.get(dtype.name, str(dtype))
    return NotImplementedError(f"\"{kernel}\" not implemented for '{name}'")
