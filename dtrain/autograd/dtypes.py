"""PyTorch's dtypes and its rules of type promotion, over NumPy arrays."""

from typing import Any

import numpy as np


class DType:
    """The type of a tensor's elements. Prints as PyTorch's; equals, and stands for, NumPy's."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: Any) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    def __eq__(self, other: object) -> bool:
        return bool(self.dtype == (other.dtype if isinstance(other, DType) else other))

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dtype, name)

    def __repr__(self) -> str:
        return f"torch.{self.dtype.name}"

    def __reduce__(self) -> Any:
        return of, (self.dtype.name,)

    @property
    def is_floating_point(self) -> bool:
        """Whether it is a float's."""
        return self.dtype.kind == "f"

    @property
    def is_complex(self) -> bool:
        """Never: dtrain has no complex tensors."""
        return False

    @property
    def is_signed(self) -> bool:
        """Whether it has negative values."""
        return self.dtype.kind in "fi"

    def to_real(self) -> "DType":
        """Itself."""
        return self


float16, float32, float64 = DType("f2"), DType("f4"), DType("f8")
uint8, int8, int16, int32, int64 = DType("u1"), DType("i1"), DType("i2"), DType("i4"), DType("i8")
bool_ = DType("?")
ALL = {
    each.dtype: each
    for each in (float16, float32, float64, uint8, int8, int16, int32, int64, bool_)
}
default_float = np.dtype(np.float32)


def of(dtype: Any) -> DType:
    """dtrain's dtype for whatever NumPy takes for one. Raises TypeError for others."""
    if isinstance(dtype, DType):
        return dtype
    try:
        return ALL[np.dtype(dtype)]
    except (KeyError, TypeError):
        raise TypeError(f"dtrain has no tensors of dtype {dtype!r}") from None


class _Default:
    dtype = default_float


def get_default_dtype() -> DType:
    """The dtype of tensors that are made of Python floats."""
    return of(_Default.dtype)


def default_dtype() -> np.dtype[Any]:
    """The same as NumPy's."""
    return _Default.dtype


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype of tensors that are made of Python floats, from now on and everywhere."""
    if of(dtype).kind != "f":
        raise TypeError("only floating-point types are supported as the default type")
    _Default.dtype = of(dtype).dtype


_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}
_INTEGER, _BOOL = np.dtype(np.int64), np.dtype(np.bool_)


def result_dtype(values: list[Any]) -> np.dtype[Any]:
    """The common dtype of arrays and Python numbers, as PyTorch decides it.

    Arrays with dimensions rule; 0-dim arrays, then Python numbers, only matter where they are of a
    higher kind (bool < integer < float). A Python float among integers gives the default dtype.
    """
    chosen: np.dtype[Any] | None = None
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
    """Integers to the default dtype, as PyTorch's float functions take them; a common dtype.

    In C order: NumPy's loops may give other bits for strided arrays than for contiguous ones.
    """
    dtype = result_dtype(values)
    if dtype.kind != "f":
        dtype = _Default.dtype
    return [canonical(_cast(value, dtype)) for value in values]


def canonical(value: Any) -> Any:
    """The same values in C order and aligned, so that a result depends on values alone."""
    if not isinstance(value, np.ndarray) or (value.flags.c_contiguous and value.flags.aligned):
        return value
    return np.array(value, order="C")


def _cast(value: Any, dtype: np.dtype[Any]) -> Any:
    return value.astype(dtype, copy=False) if isinstance(value, np.ndarray | np.generic) else value


def _by_priority(values: list[Any]) -> list[list[np.dtype[Any]]]:
    dimensioned, scalar, number = [], [], []
    for value in values:
        if not isinstance(value, np.ndarray | np.generic):
            number.append(_of_number(value))
        elif value.ndim:
            dimensioned.append(value.dtype)
        else:
            scalar.append(value.dtype)
    return [dimensioned, scalar, number]


def _of_number(value: Any) -> np.dtype[Any]:
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, int):
        return _INTEGER
    if isinstance(value, float):
        return _Default.dtype
    raise TypeError(f"expected a Tensor or a number, but got {type(value).__name__}")


def _join(group: list[np.dtype[Any]]) -> np.dtype[Any]:
    rank = max(_RANK[dtype.kind] for dtype in group)
    return np.result_type(*(dtype for dtype in group if _RANK[dtype.kind] == rank))
