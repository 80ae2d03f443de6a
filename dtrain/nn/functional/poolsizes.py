"""Where the windows of pooling lie: PyTorch's rules and errors."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, TypeAlias

import numpy as np

from dtrain.autograd.ops.resample import Table, spans
from dtrain.autograd.ops.windows import Axis
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import Array

Sizes: TypeAlias = int | Sequence[int]

_NAMES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int",
    "int64": "Long",
}  # fmt: skip
_COUNTS = ("one int", "two ints", "three ints")


def axes_of(
    name: str,
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> tuple[Axis, ...]:
    """The windows along each of the last axes of the input, checked. `name` ends in "2d", say."""
    ndim = int(name[-2])
    kernels = per_axis(name, "kernel_size", kernel_size, ndim)
    given = isinstance(stride, int) or (stride is not None and len(stride) > 0)
    steps = per_axis(name, "stride", stride, ndim) if given else kernels
    pads, spread = (
        per_axis(name, word, value, ndim)
        for word, value in (("padding", padding), ("dilation", dilation))
    )
    _check_input(name, input, ndim)
    _check_numbers(kernels, steps, pads, spread)
    sizes = input.shape[-ndim:]
    outs = [
        _out(*each, ceil_mode) for each in zip(sizes, kernels, steps, pads, spread, strict=True)
    ]
    if min(outs) < 1:
        channels = input.shape[-ndim - 1]
        raise RuntimeError(
            f"Given input size: ({_by((channels, *sizes))}). Calculated output size: "
            f"({_by((channels, *outs))}). Output size is too small"
        )
    return tuple(map(Axis, sizes, outs, kernels, steps, spread, pads))


def _out(size: int, kernel: int, step: int, pad: int, spread: int, ceil_mode: bool) -> int:
    room = size + 2 * pad - spread * (kernel - 1) - 1
    out = (room + (step - 1 if ceil_mode else 0)) // step + 1
    return out - (ceil_mode and (out - 1) * step >= size + pad)


def per_axis(name: str, word: str, value: Any, ndim: int) -> tuple[int, ...]:
    """One number for each axis; a single one is for all."""
    given = tuple(map(int, value)) if isinstance(value, Sequence) else (int(value),)
    if len(given) not in (1, ndim):
        raise RuntimeError(
            f"{name}: {word} must either be a single int, or a tuple of {_COUNTS[ndim - 1]}"
        )
    return given * ndim if len(given) == 1 else given


def _check_input(name: str, input: Tensor, ndim: int) -> None:
    batched = input.ndim == ndim + 2
    if name == "avg_pool2d" and input.ndim <= ndim:  # it alone looks for its channels first
        raise IndexError(f"avg_pool2d: Dimension -3 is out of range for {list(input.shape)}")
    if input.ndim not in (ndim + 1, ndim + 2) or 0 in input.shape[batched:]:
        raise RuntimeError(
            f"{name}: Expected {ndim + 1}D or {ndim + 2}D (batch mode) tensor with optional 0 dim "
            f"batch size for input, but got: {list(input.shape)}"
        )


def _check_numbers(
    kernels: tuple[int, ...], steps: tuple[int, ...], pads: tuple[int, ...], spread: tuple[int, ...]
) -> None:
    for word, numbers in (("kernel size", kernels), ("stride", steps), ("dilation", spread)):
        if min(numbers) < 1:
            raise RuntimeError(f"{word} should be greater than zero, but got {list(numbers)}")
    for pad, kernel in zip(pads, kernels, strict=True):
        if pad < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {pad}")
        if pad > kernel // 2:
            raise RuntimeError(
                "pad should be smaller than or equal to half of kernel size, but got "
                f"pad={pad}, kernel_size={kernel}"
            )


def check_dtype(name: str, input: Tensor, allowed: str) -> None:
    """The dtype is of one of the allowed kinds ("f": floats), or is int64 ("l" for that)."""
    dtype = np.dtype(input.dtype)
    if dtype.kind not in allowed and not (dtype == np.int64 and "l" in allowed):
        raise NotImplementedError(
            f"\"{name}\" not implemented for '{_NAMES.get(dtype.name, dtype.name)}'"
        )


@lru_cache(maxsize=256)
def windows(axis: Axis) -> Table:
    """The sum over each window of an axis."""
    starts = np.arange(axis.out) * axis.stride - axis.before
    return spans(starts, starts + axis.kernel * axis.dilation, axis.size, axis.dilation)


def divisor(axes: tuple[Axis, ...], include_pad: bool) -> Any:
    """How many elements the mean over each window counts: an int, or an array of outs."""
    counts = []
    for axis in axes:
        starts = np.arange(axis.out) * axis.stride - axis.before
        ends = np.minimum(starts + axis.kernel, axis.size + axis.before)
        if not include_pad:
            starts, ends = np.maximum(starts, 0), np.minimum(ends, axis.size)
        counts.append(ends - starts)
    return _product(counts)


def _product(counts: list[Array]) -> Any:
    if all(len(each) and (each == each[0]).all() for each in counts):
        return prod(int(each[0]) for each in counts)
    shapes = [(-1, *(1,) * (len(counts) - 1 - at)) for at in range(len(counts))]
    return prod(each.reshape(shape) for each, shape in zip(counts, shapes, strict=True))


def adaptive_sizes(name: str, input: Tensor, output_size: Any, empty_channels: bool) -> list[int]:
    """The output size along each axis, checked; None stands for the size of the input."""
    ndim = int(name[-2])
    if output_size is None or (ndim == 1 and not _is_ints(output_size)):
        raise TypeError(f"{name}(): argument 'output_size' must be tuple of ints")
    if ndim > 1 and isinstance(output_size, Sequence) and input.ndim <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    wanted = list(output_size) if isinstance(output_size, Sequence) else [output_size] * ndim
    if len(wanted) != ndim:
        raise RuntimeError(f"{name}: output_size must be {ndim}")
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(
            f"{name}(): Expected {ndim + 1}D or {ndim + 2}D tensor, but got {list(input.shape)}"
        )
    first = input.ndim - ndim if empty_channels else input.ndim - ndim - (input.ndim == ndim + 2)
    for dim in range(first, input.ndim):
        if not input.shape[dim]:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"input has sizes {list(input.shape)} with dimension {dim} being empty"
            )
    sizes = input.shape[-ndim:]
    outs = [size if out is None else int(out) for size, out in zip(sizes, wanted, strict=True)]
    if min(outs) < 0:
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            f"{outs}"
        )
    return outs


def _is_ints(value: Any) -> bool:
    return all(each is not None for each in (value if isinstance(value, Sequence) else [value]))


def _parts(size: int, out: int) -> tuple[Array, Array]:
    """Where part o of `out` starts and ends: o * size / out, rounded down, and the next one up."""
    at = np.arange(out)
    return at * size // out, -((at + 1) * -size // out)


@lru_cache(maxsize=256)
def adaptive_windows(size: int, out: int) -> Table:
    """The sum over each of `out` parts of an axis."""
    return spans(*_parts(size, out), size)


def adaptive_divisor(sizes: Sequence[int], outs: Sequence[int]) -> Any:
    """How many elements each part has: an int, or an array of outs."""
    parts = [_parts(size, out) for size, out in zip(sizes, outs, strict=True)]
    return _product([ends - starts for starts, ends in parts])


def _by(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
