# mypy: disable-error-code="no-any-return"
"""Pooling: greatest elements, means and norms over windows of one, two or three axes."""

import math
from typing import Any, TypeAlias

import numpy as np

from dtrain.autograd.ops import elementwise
from dtrain.autograd.ops.logic import where
from dtrain.autograd.ops.pool import max_pool, max_pool_indices
from dtrain.autograd.ops.reduce import mean
from dtrain.autograd.ops.resample import Table, resample
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.nn.functional.poolsizes import (
    Sizes,
    adaptive_divisor,
    adaptive_sizes,
    adaptive_windows,
    axes_of,
    check_dtype,
    divisor,
    per_axis,
    windows,
)

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
]  # fmt: skip

Pooled: TypeAlias = Any  # a Tensor, or (values, indices)


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The greatest element of every window of (n, c, length) or (c, length): see `max_pool2d`."""
    axes = axes_of("max_pool1d", input, kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        check_dtype("max_pool1d_impl", input, "f")
    return _greatest(input, tuple(map(windows, axes)), return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The greatest element of every window; padding counts as -inf.

    Shapes:  input (n, c, h, w) or (c, h, w);  result (n, c, h', w'), where
             h' = (h + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1, rounded down, or up
             if `ceil_mode`, but no window starts beyond the input.
    `return_indices` gives (values, indices), int64 indices in h * w. Of equal elements, the first
    has the gradient. The stride is the kernel size by default.
    Raises:  RuntimeError as PyTorch does, for sizes that leave nothing, and for a padding of more
             than half the kernel; NotImplementedError for bools.
    """
    check_dtype("max_pool2d", input, "fiu")
    axes = axes_of("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode)
    return _greatest(input, tuple(map(windows, axes)), return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Pooled:
    """The greatest element of every window of (n, c, d, h, w) or (c, d, h, w): see `max_pool2d`."""
    check_dtype("max_pool3d", input, "fiu")
    axes = axes_of("max_pool3d", input, kernel_size, stride, padding, dilation, ceil_mode)
    return _greatest(input, tuple(map(windows, axes)), return_indices)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Pooled:
    """The greatest element of each of `output_size` parts: see `adaptive_max_pool2d`."""
    return _adaptive_max("adaptive_max_pool1d", input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Pooled:
    """The greatest element of each part, cut as for `adaptive_avg_pool2d`.

    `return_indices` gives (values, indices), int64 indices in h * w.
    """
    return _adaptive_max("adaptive_max_pool2d", input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Pooled:
    """The greatest element of each part: see `adaptive_max_pool2d`."""
    return _adaptive_max("adaptive_max_pool3d", input, output_size, return_indices)


def _adaptive_max(name: str, input: Tensor, output_size: Any, return_indices: bool) -> Pooled:
    outs = adaptive_sizes(name, input, output_size, empty_channels=False)
    check_dtype(name, input, "f")
    tables = tuple(map(adaptive_windows, input.shape[-len(outs) :], outs))
    return _greatest(input, tables, return_indices)


def _greatest(input: Tensor, tables: tuple[Table, ...], return_indices: bool) -> Pooled:
    if not all(table.is_full for table in tables):
        raise RuntimeError("a window of max pooling lies in the padding as a whole")
    values = max_pool(input, tables=tables)
    return (values, max_pool_indices(input, tables=tables)) if return_indices else values


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of every window of (n, c, length) or (c, length): see `avg_pool2d`."""
    return _average(
        "avg_pool1d", input, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window; padding is 0, and counts if `count_include_pad`.

    `divisor_override` is what sums are divided by instead. Shapes and errors as for `max_pool2d`;
    also RuntimeError for a divisor of 0.
    """
    return _average(
        "avg_pool2d",
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window of (n, c, d, h, w) or (c, d, h, w): see `avg_pool2d`."""
    return _average(
        "avg_pool3d",
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def _average(
    name: str,
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    axes = axes_of(name, input, kernel_size, stride, padding, 1, ceil_mode)
    check_dtype(name, input, "fl")
    if len(axes) == 3 and any(axis.size < axis.kernel for axis in axes):  # padding or not
        raise RuntimeError(f"input image {input.shape[-3:]} smaller than kernel size {kernel_size}")
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    total = _along_last(input, tuple(map(windows, axes)))
    return _share(total, divisor_override or divisor(axes, count_include_pad))


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of `output_size` parts: see `adaptive_avg_pool2d`."""
    return _adaptive_average("adaptive_avg_pool1d", input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each part, for `output_size` parts along each axis.

    Part o of an axis goes from o * size / output_size, rounded down, to where the next one starts,
    rounded up.
    Shapes:  input (n, c, h, w) or (c, h, w);  output_size an int or two, None for that of the
             input;  result (n, c, *output_size).
    Raises:  RuntimeError or TypeError as PyTorch does.
    """
    return _adaptive_average("adaptive_avg_pool2d", input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each part: see `adaptive_avg_pool2d`."""
    return _adaptive_average("adaptive_avg_pool3d", input, output_size)


def _adaptive_average(name: str, input: Tensor, output_size: Any) -> Tensor:
    outs = adaptive_sizes(name, input, output_size, empty_channels="3d" not in name)
    check_dtype(name, input, "f")
    sizes = input.shape[-len(outs) :]
    if all(out == 1 for out in outs):  # the mean of everything, as at the end of many networks
        return mean(input, axis=tuple(range(input.ndim - len(outs), input.ndim)), keepdims=True)
    total = _along_last(input, tuple(map(adaptive_windows, sizes, outs)))
    return _share(total, adaptive_divisor(sizes, outs))


def _along_last(input: Tensor, tables: tuple[Table, ...]) -> Tensor:
    """One map along each of the last axes."""
    out = input
    for axis, table in enumerate(tables, input.ndim - len(tables)):
        out = resample(out, axis=axis, table=table)
    return out


def _share(total: Tensor, count: Any) -> Tensor:
    if total.dtype == np.int64:  # truncated, as PyTorch's are
        return wrap(np.trunc(total._array / count).astype(np.int64))
    if isinstance(count, np.ndarray):
        count = count.astype(total.dtype)
    return elementwise.div(total, count)


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(sum x ** p) ** (1 / p) over every window of (n, c, length) or (c, length): `lp_pool2d`."""
    return _norm("pool1d", input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(sum x ** p) ** (1 / p) over every window, with gradient 0 where the sum is 0.

    p = inf stands for the greatest |x|, -inf for the least. Shapes and errors as for `avg_pool2d`.
    """
    return _norm("pool2d", input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(sum x ** p) ** (1 / p) over every window of (n, c, d, h, w) or (c, d, h, w): `lp_pool2d`."""
    return _norm("pool3d", input, norm_type, kernel_size, stride, ceil_mode)


def _norm(
    name: str,
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None,
    ceil_mode: bool,
) -> Tensor:
    if abs(norm_type) == math.inf:
        sign = 1.0 if norm_type > 0 else -1.0
        axes = axes_of(f"max_{name}", input, kernel_size, stride, 0, 1, ceil_mode)
        return max_pool(elementwise.abs_(input) * sign, tables=tuple(map(windows, axes))) * sign
    power = input**norm_type
    average = _average(f"avg_{name}", power, kernel_size, stride, 0, ceil_mode, True, None)
    count = math.prod(per_axis(name, "kernel_size", kernel_size, int(name[-2])))
    return (where(average._array != 0, average, 0.0) * count) ** (1.0 / norm_type)
