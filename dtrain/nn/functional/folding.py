# mypy: disable-error-code="no-any-return"
"""Pixels to channels and back; sliding blocks as columns and back."""

from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias

from dtrain.autograd.ops.fold import fold as fold_windows
from dtrain.autograd.ops.fold import unfold_windows
from dtrain.autograd.ops.shape import permute, reshape
from dtrain.autograd.ops.windows import Axis
from dtrain.autograd.tensor import Tensor

Sizes: TypeAlias = int | Sequence[int]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels to pixels: (..., c r r, h, w) to (..., c, h r, w r).

    Raises:  RuntimeError for a shape that is not of this kind.  Source:  Shi et al. 2016.
    """
    _check_shuffle("pixel_shuffle", "upscale_factor", input, upscale_factor)
    *lead, channels, h, w = input.shape
    r = upscale_factor
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    split = reshape(input, shape=(prod(lead), channels // (r * r), r, r, h, w))
    out = permute(split, axes=(0, 1, 4, 2, 5, 3))
    return reshape(out, shape=(*lead, channels // (r * r), h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels to channels: (..., c, h r, w r) to (..., c r r, h, w), undoing `pixel_shuffle`."""
    _check_shuffle("pixel_unshuffle", "downscale_factor", input, downscale_factor)
    *lead, channels, h, w = input.shape
    r = downscale_factor
    for name, size, at in (("height", h, -2), ("width", w, -1)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but "
                f"input.size({at})={size} is not divisible by {r}"
            )
    split = reshape(input, shape=(prod(lead), channels, h // r, r, w // r, r))
    out = permute(split, axes=(0, 1, 3, 5, 2, 4))
    return reshape(out, shape=(*lead, channels * r * r, h // r, w // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of g groups, the first of each before the second of each: (n, g c, ...) as
    (n, c g, ...).

    Raises:  RuntimeError for fewer than 3 dimensions, for groups that do not divide the channels.
    Source:  Zhang et al. 2018.
    """
    if input.ndim < 3:
        raise RuntimeError(
            "channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    n, channels, *rest = input.shape
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} "
            "groups."
        )
    split = reshape(input, shape=(n, groups, channels // groups, prod(rest)))
    return reshape(permute(split, axes=(0, 2, 1, 3)), shape=input.shape)


def _check_shuffle(name: str, word: str, input: Tensor, factor: int) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        )
    if factor < 1:
        raise RuntimeError(f"{name} expects a positive {word}, but got {factor}")


def unfold(
    input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """Every window of an image as a column.

    Shapes:  input (n, c, h, w) or (c, h, w);  result (n, c * kh * kw, number of windows).
    Raises:  RuntimeError for sizes that leave no window.
    """
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    axes = _axes(input.shape[-2:], kernel_size, dilation, padding, stride)
    batched = input if input.ndim == 4 else reshape(input, shape=(1, *input.shape))
    out = unfold_windows(batched, axes=axes)
    return out if input.ndim == 4 else reshape(out, shape=out.shape[1:])


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Columns added up where `unfold` takes them from.

    Shapes:  input (n, c * kh * kw, number of windows) or the same without n;
             result (n, c, *output_size).
    Raises:  RuntimeError for sizes that do not go together.
    """
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    axes = _axes(_pair("output_size", output_size), kernel_size, dilation, padding, stride)
    kernel, blocks = (
        prod(values) for values in zip(*((a.kernel, a.out) for a in axes), strict=True)
    )
    if input.shape[-2] % kernel:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={input.shape[-2]} and a product of {kernel}."
        )
    if input.shape[-1] != blocks:
        raise RuntimeError(
            "expected size of input's dimension 2 to match the calculated number of sliding "
            f"blocks {blocks}, but got input.size(2)={input.shape[-1]}."
        )
    batched = input if input.ndim == 3 else reshape(input, shape=(1, *input.shape))
    out = fold_windows(batched, axes=axes)
    return out if input.ndim == 3 else reshape(out, shape=out.shape[1:])


def _axes(
    sizes: Sequence[int], kernel_size: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> tuple[Axis, ...]:
    kernels, spread = _pair("kernel_size", kernel_size), _pair("dilation", dilation)
    pads, steps = _pair("padding", padding), _pair("stride", stride)
    for word, numbers in (("kernel", kernels), ("dilation", spread), ("stride", steps)):
        if min(numbers) < 1:
            raise RuntimeError(f"{word} should be greater than zero, but got {list(numbers)}")
    if min(pads) < 0:
        raise RuntimeError(f"padding should be non-negative, but got {list(pads)}")
    outs = [
        (size + 2 * pad - d * (k - 1) - 1) // s + 1
        for size, pad, d, k, s in zip(sizes, pads, spread, kernels, steps, strict=True)
    ]
    if min(outs) < 1:
        raise RuntimeError(
            f"Given spatial size {tuple(sizes)}, kernel_size={kernels}, dilation={spread}, "
            f"padding={pads}, calculated shape of the array of sliding blocks as {tuple(outs)}, "
            "but its components must be at least one."
        )
    return tuple(map(Axis, sizes, outs, kernels, steps, spread, pads))


def _pair(word: str, value: Any) -> tuple[int, int]:
    given = tuple(map(int, value)) if isinstance(value, Sequence) else (int(value),) * 2
    if len(given) not in (1, 2):
        raise RuntimeError(f"It is expected {word} equals to 2, but got size {len(given)}")
    return (given * 2)[0], (given * 2)[1] if len(given) == 1 else given[1]
