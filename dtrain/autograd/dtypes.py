"""PyTorch's dtypes and its rules of type promotion, over NumPy arrays."""

from typing import Any

import numpy as np

DType = np.dtype[Any]

float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
float16 = np.dtype(np.float16)
uint8, int8, int16 = np.dtype(np.uint8), np.dtype(np.int8), np.dtype(np.int16)
int32, int64 = np.dtype(np.int32), np.dtype(np.int64)
bool_ = np.dtype(np.bool_)
default_float = float32

_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}
_NUMBER = {bool: bool_, int: int64, float: default_float}


def result_dtype(values: list[Any]) -> DType:
    """The common dtype of arrays and Python numbers, as PyTorch decides it.

    Arrays with dimensions rule; 0-dim arrays, then Python numbers, only matter where they are of a
    higher kind (bool < integer < float). A Python float among integers gives float32.
    """
    chosen: DType | None = None
    for group in _by_priority(values):
        if group:
            common = _join(group)
            if chosen is None or _RANK[common.kind] > _RANK[chosen.kind]:
                chosen = common
    assert chosen is not None, "result_dtype needs at least one value"
    return chosen


def common(values: list[Any]) -> list[Any]:
    """Cast arrays to their common dtype. Python numbers stay: NumPy lets them adapt."""
    if len(values) == 2:
        left, right = values
        if left.__class__ is np.ndarray is right.__class__ and left.dtype is right.dtype:
            return values
    dtype = result_dtype(values)
    return [_cast(value, dtype) for value in values]


def floating(values: list[Any]) -> list[Any]:
    """Integers to float32, as PyTorch's float functions take them; a common dtype; C order.

    NumPy's vector loops may give other bits for strided arrays than for contiguous ones.
    """
    dtype = result_dtype(values)
    if dtype.kind != "f":
        dtype = default_float
    return [canonical(_cast(value, dtype)) for value in values]


def canonical(value: Any) -> Any:
    """The same values in C order and aligned, so that a result depends on values alone."""
    if not isinstance(value, np.ndarray) or (value.flags.c_contiguous and value.flags.aligned):
        return value
    return np.array(value, order="C")


def _cast(value: Any, dtype: DType) -> Any:
    return value.astype(dtype, copy=False) if isinstance(value, np.ndarray | np.generic) else value


def _by_priority(values: list[Any]) -> list[list[DType]]:
    dimensioned, scalar, number = [], [], []
    for value in values:
        if not isinstance(value, np.ndarray | np.generic):
            number.append(_NUMBER[type(value)])
        elif value.ndim:
            dimensioned.append(value.dtype)
        else:
            scalar.append(value.dtype)
    return [dimensioned, scalar, number]


def _join(group: list[DType]) -> DType:
    rank = max(_RANK[dtype.kind] for dtype in group)
    return np.result_type(*(dtype for dtype in group if _RANK[dtype.kind] == rank))
