"""Arguments as PyTorch takes them, checked and brought into one form."""

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from dtrain.autograd import dtypes
from dtrain.autograd.device import require_cpu
from dtrain.autograd.tensor import Tensor

Dim: TypeAlias = int | Sequence[int] | None


def tensor_of(value: Any, name: str = "input", who: str = "") -> Tensor:
    """The value, if it is a Tensor. Raises TypeError for anything else, as PyTorch does."""
    if isinstance(value, Tensor):
        return value
    raise TypeError(f"{who}(): argument '{name}' must be Tensor, not {type(value).__name__}")


def tensors_of(who: str, *values: Any) -> None:
    """Raises TypeError, as PyTorch does, for a value that is no Tensor."""
    for at, value in enumerate(values, 1):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{who}(): argument (position {at}) must be Tensor, not {type(value).__name__}"
            )


def number_of(value: Any) -> Any:
    """NumPy's scalars as Python numbers, bools as floats, as PyTorch takes them; anything else as
    it is."""
    if not isinstance(value, np.generic):
        return value
    return float(value) if isinstance(value, np.bool_) else value.item()


def sizes(given: Sequence[Any]) -> tuple[int, ...]:
    """f(2, 3), f((2, 3)) and f([2, 3]) are the same: (2, 3)."""
    if len(given) == 1 and isinstance(given[0], Sequence | Tensor) and not _is_number(given[0]):
        given = given[0].tolist() if isinstance(given[0], Tensor) else given[0]
    try:
        return tuple(operator.index(size) for size in given)
    except TypeError:
        kinds = ", ".join(type(size).__name__ for size in given)
        raise TypeError(f"sizes must be integers, not ({kinds})") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, Tensor) and not value.ndim


def dim_of(dim: int, ndim: int) -> int:
    """A dimension as 0 ... ndim-1; a scalar is taken to have one. Raises IndexError outside."""
    count = max(ndim, 1)
    try:
        at = operator.index(dim)
    except TypeError:
        raise TypeError(f"a dimension must be an integer, not {type(dim).__name__}") from None
    if not -count <= at < count:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], "
            f"but got {at})"
        )
    return at % count


def dims_of(dim: Dim, ndim: int) -> tuple[int, ...] | None:
    """Several dimensions, each once; None for all of them, which PyTorch also writes as ()."""
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return None
    listed = [dim_of(each, ndim) for each in (dim if isinstance(dim, Sequence) else [dim])]
    for each in listed:
        if listed.count(each) > 1:
            raise RuntimeError(f"dim {each} appears multiple times in the list of dims")
    return tuple(listed) if ndim else None


def dtype_of(dtype: Any, default: Any) -> np.dtype[Any]:
    """NumPy's dtype for a `dtype=` argument."""
    chosen = default if dtype is None else dtype
    return dtypes.of(chosen).dtype


def require_plain(device: Any = None, layout: Any = None, memory_format: Any = None) -> None:
    """Raises for what PyTorch can and dtrain cannot: another device, a sparse layout."""
    require_cpu(device)
    if layout not in (None, "torch.strided"):
        raise RuntimeError(f"dtrain has dense tensors only, not layout {layout}")
