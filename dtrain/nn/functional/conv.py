# mypy: disable-error-code="no-any-return"
"""Convolutions and transposed convolutions over one, two or three axes."""

from dtrain.autograd.dtypes import float16, float32
from dtrain.autograd.ops.conv import Geometry, convolution, convolution_input
from dtrain.autograd.ops.shape import cast, reshape
from dtrain.autograd.ops.windows import Axis
from dtrain.autograd.tensor import Tensor
from dtrain.nn.functional.convsizes import (
    Sizes,
    by,
    check_channels,
    check_output_padding,
    check_rank,
    check_room,
    check_transposed,
    pads_of,
    per_axis,
    steps_of,
)

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip


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
    check_rank(f"conv{ndim}d", ndim, input)
    step, spread = steps_of(ndim, weight, stride, dilation, groups)
    kernels = weight.shape[2:]
    pads = pads_of(padding, kernels, step, spread)
    check_channels(input, weight, bias, groups, ndim)
    check_room(input, kernels, pads, spread)
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
    padding: Sizes | str,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    name = f"conv_transpose{ndim}d"
    check_rank(name, ndim, input)
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    step, spread = steps_of(ndim, weight, stride, dilation, groups)
    kernels = weight.shape[2:]
    pads = [low for low, _ in pads_of(padding, kernels, step, spread)]
    extra = per_axis("output_padding", output_padding, ndim)
    check_output_padding(extra, step, spread)
    check_transposed(input, weight, bias, groups, ndim)
    outs = input.shape[-ndim:]
    sizes = [
        (out - 1) * s - 2 * low + d * (k - 1) + more + 1
        for out, s, low, d, k, more in zip(outs, step, pads, spread, kernels, extra, strict=True)
    ]
    if min(sizes) < 1:
        raise RuntimeError(
            f"Given input size per channel: ({by(outs)}). Calculated output size per channel: "
            f"({by(sizes)}). Output size is too small"
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
