"""Sizes of convolutions: one number for each axis, and PyTorch's errors where they do not fit."""

from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias

from dtrain.autograd.tensor import Tensor

Sizes: TypeAlias = int | Sequence[int]


def per_axis(name: str, value: Any, ndim: int) -> tuple[int, ...]:
    """One number for each axis; a single one is for all."""
    given = tuple(int(each) for each in value) if isinstance(value, Sequence) else (int(value),)
    if len(given) not in (1, ndim):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {ndim} values to match "
            f"the convolution dimensions, but got {name}={list(given)}"
        )
    return given * ndim if len(given) == 1 else given


def steps_of(
    ndim: int, weight: Tensor, stride: Sizes, dilation: Sizes, groups: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Stride and dilation for each axis, checked."""
    if weight.ndim != ndim + 2:
        raise RuntimeError(
            f"expected a weight of {ndim + 2} dimensions for {ndim} axes, but got one of size "
            f"{list(weight.shape)}"
        )
    step, spread = per_axis("stride", stride, ndim), per_axis("dilation", dilation, ndim)
    if min(step) < 1:
        raise RuntimeError("non-positive stride is not supported")
    if min(spread) < 1:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(spread)}")
    if groups < 1:
        raise RuntimeError("non-positive groups is not supported")
    if min(weight.shape[2:]) < 1:
        raise RuntimeError(
            f"kernel size should be greater than zero, but got {list(weight.shape[2:])}"
        )
    return step, spread


def pads_of(
    padding: Any, kernels: tuple[int, ...], step: tuple[int, ...], spread: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Zeros before and after, for each axis."""
    if padding == "valid":
        return [(0, 0)] * len(kernels)
    if padding == "same":
        if max(step) > 1:
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        totals = [d * (k - 1) for d, k in zip(spread, kernels, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    pads = per_axis("padding", padding, len(kernels))
    if min(pads) < 0:
        raise RuntimeError("negative padding is not supported")
    return [(pad, pad) for pad in pads]


def check_rank(name: str, ndim: int, input: Tensor) -> None:
    """The input has channels and `ndim` axes, and perhaps a batch."""
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(
            f"Expected {ndim + 1}D (unbatched) or {ndim + 2}D (batched) input to {name}, but got "
            f"input of size: {list(input.shape)}"
        )


def check_channels(
    input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, ndim: int
) -> None:
    """Input, weight and bias of a convolution go together."""
    _check_weight(weight, groups)
    channels, wanted = input.shape[-ndim - 1], weight.shape[1] * groups
    if channels != wanted:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected "
            f"input{list(input.shape)} to have {wanted} channels, but got {channels} channels "
            "instead"
        )
    if weight.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {list(weight.shape)} instead"
        )
    _check_bias(input, weight, bias, weight.shape[0])


def check_transposed(
    input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, ndim: int
) -> None:
    """Input, weight and bias of a transposed convolution go together."""
    _check_weight(weight, groups)
    channels = input.shape[-ndim - 1]
    if channels != weight.shape[0] or channels % groups:
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(weight.shape)}, expected "
            f"input{list(input.shape)} to have {weight.shape[0]} channels, but got {channels} "
            "channels instead"
        )
    _check_bias(input, weight, bias, weight.shape[1] * groups)


def _check_weight(weight: Tensor, groups: int) -> None:
    if weight.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            f"got weight of size {list(weight.shape)} instead"
        )


def _check_bias(input: Tensor, weight: Tensor, bias: Tensor | None, channels: int) -> None:
    if bias is not None and bias.shape != (channels,):
        raise RuntimeError(
            f"Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with "
            f"{channels} elements, but got bias of size {list(bias.shape)} instead"
        )
    for name, other in (("weight", weight), ("bias", bias)):
        if other is not None and other.dtype != input.dtype:
            raise RuntimeError(
                f"Input type ({input.dtype}) and {name} type ({other.dtype}) should be the same"
            )


def check_room(
    input: Tensor,
    kernels: tuple[int, ...],
    pads: list[tuple[int, int]],
    spread: tuple[int, ...],
) -> None:
    """The padded input holds the kernel, and is only empty for want of images or channels."""
    sizes = input.shape[-len(kernels) :]
    padded = [size + sum(pad) for size, pad in zip(sizes, pads, strict=True)]
    reach = [d * (k - 1) + 1 for d, k in zip(spread, kernels, strict=True)]
    if any(size < need for size, need in zip(padded, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({by(padded)}). Kernel size: "
            f"({by(reach)}). Kernel size can't be greater than actual input size"
        )
    if not prod(sizes):
        raise RuntimeError(
            "Only zero batch or zero channel inputs are supported, but got input shape: "
            f"{list(input.shape)}"
        )


def check_output_padding(
    extra: tuple[int, ...], step: tuple[int, ...], spread: tuple[int, ...]
) -> None:
    """What is added on one side is less than a step."""
    if min(extra) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if any(more >= max(s, d) for more, s, d in zip(extra, step, spread, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"output_padding {list(extra)}, stride {list(step)}, dilation {list(spread)}"
        )


def by(sizes: Sequence[int]) -> str:
    """Sizes as PyTorch's messages show them."""
    return " x ".join(map(str, sizes))
