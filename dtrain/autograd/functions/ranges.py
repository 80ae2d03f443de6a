# mypy: disable-error-code="no-any-return"
"""Numbers in a row, and the unit matrix."""

import math
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import default_dtype
from dtrain.autograd.functions.arguments import dtype_of, require_plain
from dtrain.autograd.functions.creation import full
from dtrain.autograd.functions.registry import public
from dtrain.autograd.tensor import Tensor

__all__ = [
    "arange", "eye", "linspace",
]  # fmt: skip


@public(method=False)
def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
    layout: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, ... below end; int64 if all three are, else the default dtype."""
    require_plain(device, layout)
    if end is None:
        start, end = 0, start
    start, end, step = (
        each.item() if isinstance(each, Tensor) else each for each in (start, end, step)
    )
    whole = all(isinstance(number, int) for number in (start, end, step))
    kind = dtype_of(dtype, np.dtype(np.int64) if whole else default_dtype())
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    count = math.ceil((end - start) / step)
    array = (start + step * np.arange(count)).astype(kind)
    return Tensor(array).requires_grad_(requires_grad)


@public(method=False)
def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
    layout: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` values from start to end, both included, counted from the nearer end."""
    require_plain(device, layout)
    kind = dtype_of(dtype, default_dtype())
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    low, high = (each.item() if isinstance(each, Tensor) else each for each in (start, end))
    if steps == 1:
        return full((1,), low, dtype=kind, requires_grad=requires_grad)
    real = kind if kind.kind == "f" else np.dtype(np.float64)
    low, high = real.type(low), real.type(high)
    step = (high - low) / real.type(max(steps - 1, 1))
    at = np.arange(steps)
    values = np.where(
        at < steps // 2, low + step * at.astype(real), high - step * (steps - 1 - at).astype(real)
    )
    return Tensor(values.astype(kind)).requires_grad_(requires_grad)


@public(method=False)
def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, layout: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of an n by m matrix of zeros."""
    require_plain(device, layout)
    array = np.eye(n, m, dtype=dtype_of(dtype, default_dtype()))
    return Tensor(array).requires_grad_(requires_grad)
