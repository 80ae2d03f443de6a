# mypy: disable-error-code="no-any-return"
"""Numbers in a row, and the unit matrix."""

import math
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import default_dtype
from dtrain.autograd.functions.arguments import dtype_of, number_of, require_plain
from dtrain.autograd.functions.registry import public
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.autograd.value import Array

__all__ = ["arange", "eye", "linspace", "logspace", "range"]


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else number_of(value)


def _require_range(start: Any, end: Any, step: Any) -> None:
    """Raises RuntimeError for ends that no steps lead between."""
    if not math.isfinite(start) or not math.isfinite(end):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


def _row(start: Any, step: Any, count: int, kind: np.dtype[Any]) -> Array:
    """start, start + step, ...: integers of integers, else in float64 and rounded once."""
    if kind.kind == "f":
        return (start + step * np.arange(count)).astype(kind)
    return (int(start) + int(step) * np.arange(count)).astype(kind)


@public(method=False)
def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
    layout: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, ... below end; int64 if all three are, else the default dtype."""
    require_plain(device, layout)
    if end is None:
        start, end = 0, start
    start, end, step = _number(start), _number(end), _number(step)
    whole = all(isinstance(number, int) for number in (start, end, step))
    kind = dtype_of(dtype, np.dtype(np.int64) if whole else default_dtype())
    _require_range(start, end, step)
    if kind == np.int64:  # counted in whole numbers, and only then
        start, end, step = int(start), int(end), int(step)
        _require_range(start, end, step)
    count = math.ceil((end - start) / step)
    return wrap(_row(start, step, count, kind)).requires_grad_(requires_grad)


@public(method=False)
def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
    layout: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, ... up to end, which is included; of the default dtype. PyTorch
    deprecates it: `arange` leaves the end out, as Python's range."""
    require_plain(device, layout)
    if end is None:
        start, end = 0, start
    start, end, step = _number(start), _number(end), _number(step)
    kind = dtype_of(dtype, default_dtype())
    _require_range(start, end, step)
    count = math.floor((end - start) / step) + 1
    return wrap(_row(start, step, count, kind)).requires_grad_(requires_grad)


def _spaced(start: Any, end: Any, steps: Any, kind: np.dtype[Any]) -> Array:
    """`steps` values from start to end, counted from the nearer end, in float64 for integers."""
    if not isinstance(steps, int):
        raise TypeError(f"linspace(): argument 'steps' must be int, not {type(steps).__name__}")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    for each in (start, end):
        if isinstance(each, Tensor) and each.ndim:
            raise RuntimeError(
                "linspace only supports 0-dimensional start and end tensors, but got start with "
                f"{each.ndim} dimension(s)."
            )
    low, high = _number(start), _number(end)
    if kind.kind != "f":
        low, high = int(low), int(high)
    real = kind if kind.kind == "f" else np.dtype(np.float64)
    low, high = real.type(low), real.type(high)
    if steps == 1:
        return np.full(1, low)
    step = (high - low) / real.type(max(steps - 1, 1))
    at = np.arange(steps)
    return np.where(
        at < steps // 2, low + step * at.astype(real), high - step * (steps - 1 - at).astype(real)
    )


@public(method=False)
def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
    layout: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` values from start to end, both included, counted from the nearer end."""
    require_plain(device, layout)
    kind = dtype_of(dtype, default_dtype())
    values = _spaced(start, end, steps, kind).astype(kind)
    return wrap(values).requires_grad_(requires_grad)


@public(method=False)
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
    layout: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """base ** x for the x of `linspace`."""
    require_plain(device, layout)
    kind = dtype_of(dtype, default_dtype())
    exponents = _spaced(start, end, steps, kind)
    with np.errstate(all="ignore"):
        values = np.power(exponents.dtype.type(base), exponents).astype(kind)
    return wrap(values).requires_grad_(requires_grad)


@public(method=False)
def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, layout: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of an n by m matrix of zeros."""
    require_plain(device, layout)
    for name, size in (("n", n), ("m", m)):
        if size is not None and size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    array = np.eye(n, m, dtype=dtype_of(dtype, default_dtype()))
    return wrap(array).requires_grad_(requires_grad)
