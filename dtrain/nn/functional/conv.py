# mypy: disable-error-code="no-any-return"
"""Convolutions and transposed convolutions over one, two or three axes."""

from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias

from dtrain.autograd.dtypes import float16, float32
from dtrain.autograd.ops.conv import Geometry, convolution, convolution_input
from dtrain.autograd.ops.shape import cast, reshape
from dtrain.autograd.ops.windows import Axis
from dtrain.autograd.tensor import Tensor

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip

Sizes: TypeAlias = int | Sequence[int]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of signals: see `conv2d`.

    Shapes:  input (n, c, length) or (c, length);  weight (o, c / groups, k);  bias (o).
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of images, zero outside, with a kernel.

        out[n,o,p,q] = bias[o] + sum_{c,i,j} weight[o,c,i,j] *
                       input[n, c, p * stride + i * dilation - padding, the same for q and j]

    Shapes:  input (n, c, h, w) or (c, h, w);  weight (o, c / groups, kh, kw);  bias (o);
             result (n, o, (h + 2 padding - dilation (kh - 1) - 1) // stride + 1, the same for w).
    `padding` may be "valid" (none), or "same" (so that the result has the size of the input).
    Raises:  RuntimeError if sizes or dtypes do not go together.
    Source:  Chellapilla et al. 2006, convolution as a product of matrices.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of volumes: see `conv2d`.

    Shapes:  input (n, c, d, h, w) or (c, d, h, w);  weight (o, c / groups, kd, kh, kw);  bias (o).
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The adjoint of `conv1d`: see `conv_transpose2d`.

    Shapes:  input (n, c, length) or (c, length);  weight (c, o / groups, k);  bias (o).
    """
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The adjoint of `conv2d` (with the same weight), plus a bias.

    Shapes:  input (n, c, h, w) or (c, h, w);  weight (c, o / groups, kh, kw);  bias (o);
             result (n, o, (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1, ..).
    Raises:  RuntimeError if sizes or dtypes do not go together.
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The adjoint of `conv3d`: see `conv_transpose2d`.

    Shapes:  input (n, c, d, h, w) or (c, d, h, w);  weight (c, o / groups, kd, kh, kw);  bias (o).
    """
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv(
    ndim: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    """Any number of axes: check, add the batch axis if there is none, convolve."""
    _check_rank(f"conv{ndim}d", ndim, input)
    step, spread = _steps(ndim, weight, stride, dilation, groups)
    kernels = weight.shape[2:]
    pads = _pads(padding, kernels, step, spread)
    _check_channels(input, weight, bias, groups, ndim)
    _check_room(input, kernels, pads, spread)
    axes = tuple(
        Axis(size, (size + low + high - d * (k - 1) - 1) // s + 1, k, s, d, low)
        for size, k, s, d, (low, high) in zip(
            input.shape[-ndim:], kernels, step, spread, pads, strict=True
        )
    )
    geometry = Geometry(axes, groups)
    batch, wide = _batched(_single(input), ndim), _single(weight)
    out = convolution(batch, wide, None if bias is None else _single(bias), geometry=geometry)
    return _like(out, input, ndim)


def _transposed(
    ndim: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    name = f"conv_transpose{ndim}d"
    _check_rank(name, ndim, input)
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    step, spread = _steps(ndim, weight, stride, dilation, groups)
    kernels = weight.shape[2:]
    pads = [low for low, _ in _pads(padding, kernels, step, spread)]
    extra = _per_axis("output_padding", output_padding, ndim)
    _check_output_padding(extra, step, spread)
    _check_transposed(input, weight, bias, groups, ndim)
    outs = input.shape[-ndim:]
    sizes = [
        (out - 1) * s - 2 * low + d * (k - 1) + more + 1
        for out, s, low, d, k, more in zip(outs, step, pads, spread, kernels, extra, strict=True)
    ]
    if min(sizes) < 1:
        raise RuntimeError(
            f"Given input size per channel: ({_by(outs)}). Calculated output size per channel: "
            f"({_by(sizes)}). Output size is too small"
        )
    geometry = Geometry(tuple(map(Axis, sizes, outs, kernels, step, spread, pads)), groups)
    out = convolution_input(_batched(_single(input), ndim), _single(weight), geometry=geometry)
    if bias is not None:
        out = out + reshape(_single(bias), shape=(-1, *(1,) * ndim))
    return _like(out, input, ndim)


def _single(value: Tensor) -> Tensor:
    """float16 is computed in float32, as PyTorch does."""
    return cast(value, dtype=float32) if value.dtype == float16 else value


def _batched(value: Tensor, ndim: int) -> Tensor:
    return reshape(value, shape=(1, *value.shape)) if value.ndim == ndim + 1 else value


def _like(out: Tensor, input: Tensor, ndim: int) -> Tensor:
    """Without the batch axis if the input has none, and in its dtype."""
    out = reshape(out, shape=out.shape[1:]) if input.ndim == ndim + 1 else out
    return out if out.dtype == input.dtype else cast(out, dtype=input.dtype)


def _per_axis(name: str, value: Any, ndim: int) -> tuple[int, ...]:
    """One number for each axis; a single one is for all."""
    given = tuple(int(each) for each in value) if isinstance(value, Sequence) else (int(value),)
    if len(given) not in (1, ndim):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {ndim} values to match "
            f"the convolution dimensions, but got {name}={list(given)}"
        )
    return given * ndim if len(given) == 1 else given


def _steps(
    ndim: int, weight: Tensor, stride: Sizes, dilation: Sizes, groups: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Stride and dilation for each axis, checked."""
    if weight.ndim != ndim + 2:
        raise RuntimeError(
            f"expected a weight of {ndim + 2} dimensions for {ndim} axes, but got one of size "
            f"{list(weight.shape)}"
        )
    step, spread = _per_axis("stride", stride, ndim), _per_axis("dilation", dilation, ndim)
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


def _pads(
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
    pads = _per_axis("padding", padding, len(kernels))
    if min(pads) < 0:
        raise RuntimeError("negative padding is not supported")
    return [(pad, pad) for pad in pads]


def _check_rank(name: str, ndim: int, input: Tensor) -> None:
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(
            f"Expected {ndim + 1}D (unbatched) or {ndim + 2}D (batched) input to {name}, but got "
            f"input of size: {list(input.shape)}"
        )


def _check_channels(
    input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, ndim: int
) -> None:
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


def _check_transposed(
    input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, ndim: int
) -> None:
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


def _check_room(
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
            f"Calculated padded input size per channel: ({_by(padded)}). Kernel size: "
            f"({_by(reach)}). Kernel size can't be greater than actual input size"
        )
    if not prod(sizes):
        raise RuntimeError(
            "Only zero batch or zero channel inputs are supported, but got input shape: "
            f"{list(input.shape)}"
        )


def _check_output_padding(
    extra: tuple[int, ...], step: tuple[int, ...], spread: tuple[int, ...]
) -> None:
    if min(extra) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if any(more >= max(s, d) for more, s, d in zip(extra, step, spread, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"output_padding {list(extra)}, stride {list(step)}, dilation {list(spread)}"
        )


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))
