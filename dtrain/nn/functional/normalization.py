# mypy: disable-error-code="no-any-return"
"""Normalisation over batches, layers, groups and instances."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.ops import norm
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.autograd.value import Array
from dtrain.nn.parameter import write

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]

_LAYER_NORM = norm.standardize.called("NativeLayerNormBackward0")
_GROUP_NORM = norm.standardize.called("NativeGroupNormBackward0")


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over the last dimensions.

    Shapes:  input (..., *normalized_shape); weight and bias normalized_shape; result as input.
    Raises:  RuntimeError if the shapes above do not hold or dtypes differ.
    Source:  Ba, Kiros and Hinton 2016.
    """
    return _over_last(input, tuple(normalized_shape), weight, bias, eps, center=True)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean(x ** 2) + eps) * weight, over the last dimensions.

    Without `eps` it is the dtype's machine epsilon. Shapes and errors as for `layer_norm`.
    Source:  Zhang and Sennrich 2019.
    """
    if eps is None:
        eps = float(np.finfo(np.float64 if input.dtype == np.float64 else np.float32).eps)
    return _over_last(input, tuple(normalized_shape), weight, None, eps, center=False)


def _over_last(
    input: Tensor,
    shape: tuple[int, ...],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    center: bool,
) -> Tensor:
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
            "one element, but got normalized_shape = []"
        )
    for name, each in (("weight", weight), ("bias", bias)):
        if each is not None and each.shape != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(each.shape)} and normalized_shape = {list(shape)}"
            )
    if tuple(input.shape[-len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    _require_one_float(input, weight, bias)
    rows = (math.prod(input.shape[: -len(shape)]), 1, math.prod(shape))
    return _LAYER_NORM(input, weight, bias, rows=rows, eps=eps, center=center)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over groups of channels of each sample.

    Shapes:  input (n, c, ...), c divisible by num_groups; weight and bias (c); result as input.
    Raises:  RuntimeError if the shapes above do not hold or dtypes differ; ValueError if a group
             has a single element.
    Source:  Wu and He 2018.
    """
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    samples, channels, *space = input.shape
    _require_many([samples * channels // num_groups, num_groups, *space])
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(input.shape)} and num_groups={num_groups}"
        )
    for name, each in (("weight", weight), ("bias", bias)):
        if each is not None and each.shape != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, "
                f"but got {name} of shape {list(each.shape)} and input of shape {list(input.shape)}"
            )
    _require_one_float(input, weight, bias)
    return _over_groups(input, num_groups, weight, bias, eps)


def _over_groups(
    input: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    samples, channels, *space = input.shape
    rows = (samples, groups, channels // max(1, groups) * math.prod(space))
    return _GROUP_NORM(input, weight, bias, rows=rows, eps=eps)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel.

    In training, mean and (biased) variance are those of the batch, and the running statistics, if
    given, are changed in place: r <- (1 - momentum) * r + momentum * batch, with the unbiased
    variance. Otherwise the running statistics are used.

    Shapes:  input (n, c, ...); all others (c); result as input.
    Raises:  ValueError for a single value per channel in training; RuntimeError if shapes or dtypes
             do not go together, or statistics are missing.
    Source:  Ioffe and Szegedy 2015.
    """
    if tuple(input.shape) == (0,):
        return input.clone()  # nothing, of no channels: PyTorch lets it pass
    check_batch(input, running_mean, running_var, weight, bias, training, eps)
    if not training:
        if running_mean is None or running_var is None:
            missing = "running_mean" if running_mean is None else "running_var"
            raise RuntimeError(f"{missing} must be defined in evaluation mode")
        return by_statistics(input, running_mean, running_var, weight, bias, eps)
    out, mean, var = by_batch(input, weight, bias, eps)
    if input.numel():
        _blend(running_mean, mean, momentum)
        _blend(running_var, var, momentum)
    return out


def by_batch(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Array, Array]:
    """Batch norm by the batch's own statistics; with them, the variance unbiased."""
    moments = norm.moments(input._array)
    out = norm.batch_norm(input, weight, bias, eps=eps, moments=moments)
    return out, moments[0], _unbiased(moments[1], input.numel() // max(1, input.shape[1]))


def by_statistics(
    input: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Batch norm by statistics from elsewhere."""
    dtype = input.dtype.type
    with np.errstate(all="ignore"):
        rstd = dtype(1) / np.sqrt(var._array + dtype(eps))
    scale: Any = wrap(rstd) if weight is None else weight * wrap(rstd)
    x_bcl = input.reshape(*input.shape[:2], math.prod(input.shape[2:]))
    out = (x_bcl - mean.detach().reshape(-1, 1)) * scale.reshape(-1, 1)
    return (out if bias is None else out + bias.reshape(-1, 1)).reshape(input.shape)


def check_batch(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    eps: float,
) -> None:
    """Raises what `batch_norm` says it raises."""
    if training:
        _require_many(input.shape)
    if eps < 0 or (training and eps == 0):
        sign = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {sign}, but got {eps}")
    _require_channels(input, running_mean, running_var, weight, bias)


def _require_channels(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
) -> None:
    if input.ndim < 2:
        raise IndexError(f"Dimension out of range: no channels among {input.ndim} dimension(s)")
    named = {
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }
    for name, each in named.items():
        if each is not None and each.numel() != input.shape[1]:
            raise RuntimeError(
                f"{name} should contain {input.shape[1]} elements not {each.numel()}"
            )
    _require_one_float(input, *named.values())


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel of each sample.

    Without `use_input_stats` the running statistics are used; with it they are changed in place, if
    given, by the mean of the instances' statistics: see `batch_norm`.

    Shapes:  input (n, c, ...); all others (c); result as input.
    Raises:  ValueError for a single element per instance; RuntimeError if shapes or dtypes do not
             go together, or statistics are missing.
    Source:  Ulyanov, Vedaldi and Lempitsky 2016.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(
            "Expected more than 1 spatial element when training, got input size "
            f"torch.Size({list(input.shape)})"
        )
    _require_channels(input, running_mean, running_var, weight, bias)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when use_input_stats is false"
            )
        return by_statistics(input, running_mean, running_var, weight, bias, eps)
    if input.numel() and (running_mean is not None or running_var is not None):
        mean, var = instance_statistics(input)
        _blend(running_mean, mean, momentum)
        _blend(running_var, var, momentum)
    return _over_groups(input, input.shape[1], weight, bias, eps)


def instance_statistics(input: Tensor) -> tuple[Array, Array]:
    """Mean and unbiased variance of each channel, averaged over the samples."""
    samples, channels, *space = input.shape
    mean, var = norm.moments(input._array.reshape(1, samples * channels, math.prod(space)))
    var = _unbiased(var, math.prod(space))
    mean, var = (each.reshape(samples, channels).mean(axis=0) for each in (mean, var))
    return mean, var


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha / size * sum of x ** 2 over `size` neighbouring channels) ** beta.

    Shapes:  input (n, c, ...) of at least 3 dimensions; result as input.
    Raises:  ValueError for fewer dimensions.
    Source:  Krizhevsky, Sutskever and Hinton 2012, section 3.3.
    """
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)"
        )
    if not input.numel():
        return input
    squares = norm.window_sum(input * input, before=size // 2, after=(size - 1) // 2)
    return input / (squares / size * alpha + k) ** beta


def _unbiased(var: Array, count: int) -> Array:
    with np.errstate(all="ignore"):
        scaled: Array = var * (np.float64(count) / np.float64(count - 1)).astype(var.dtype)
    return scaled


def _blend(running: Tensor | None, batch: Array, momentum: float) -> None:
    if running is not None:
        write(running, (1 - momentum) * running._array + momentum * batch)


def _require_many(size: Sequence[int]) -> None:
    """A mean over a single value would leave nothing."""
    if math.prod([size[0], *size[2:]]) == 1:
        shown = list(size) if isinstance(size, list) else f"torch.Size({list(size)})"
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shown}"
        )


def _require_one_float(input: Tensor, *others: Tensor | None) -> None:
    if not input.is_floating_point():
        raise NotImplementedError(f"normalization is not implemented for {input.dtype}")
    for each in others:
        if each is not None and each.dtype != input.dtype:
            raise RuntimeError(f"expected scalar type {input.dtype} but found {each.dtype}")
