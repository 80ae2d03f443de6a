"""Initialisers, with PyTorch's names and numbers.

Each writes into a tensor, unrecorded, and returns it. For the same seed they draw PyTorch's
numbers; `generator` is the default one unless given. A tensor whose memory is not in the order of
its dimensions, such as `w.T`, is filled in the order of memory, as PyTorch does.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dtrain import random
from dtrain.autograd.modes import no_grad
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import Array
from dtrain.nn.parameter import write
from dtrain.nn.truncated import truncated_normals
from dtrain.random import fills
from dtrain.random.default import chosen

__all__ = [
    "calculate_gain", "constant", "constant_", "dirac", "dirac_", "eye", "eye_", "kaiming_normal",
    "kaiming_normal_", "kaiming_uniform", "kaiming_uniform_", "normal", "normal_", "ones_",
    "orthogonal", "orthogonal_", "sparse", "sparse_", "trunc_normal_", "uniform", "uniform_",
    "xavier_normal", "xavier_normal_", "xavier_uniform", "xavier_uniform_", "zeros_",
]  # fmt: skip

Generator: TypeAlias = random.Generator | None

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much to scale weights before a nonlinearity, named as in `nn.functional`.

    1 for linear maps and sigmoid, 5/3 for tanh, sqrt(2) for relu, 3/4 for selu, and
    sqrt(2 / (1 + param ** 2)) for leaky_relu, whose slope `param` is 0.01 unless given.
    Raises ValueError for any other.
    """
    if nonlinearity == "leaky_relu":
        if isinstance(param, bool) or not isinstance(param, int | float | None):
            raise ValueError(f"negative_slope {param} not a valid number")
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


# One distribution for all elements


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> Tensor:
    """Uniform draws in [a, b)."""
    return _drawn(tensor, lambda: fills.uniform_(tensor, a, b, generator=generator))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator = None
) -> Tensor:
    """Normal draws."""
    return _drawn(tensor, lambda: fills.normal_(tensor, mean, std, generator=generator))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator = None,
) -> Tensor:
    """Normal draws, those outside [a, b] drawn again until they are inside."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    if not tensor.numel():
        return tensor
    return _filled(tensor, truncated_normals(tensor._array, mean, std, a, b, generator))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value."""
    return _filled(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return _filled(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return _filled(tensor, 0)


# Scaled by the numbers of inputs and outputs


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Uniform draws in +-gain * sqrt(6 / (fan_in + fan_out)). Source: Glorot and Bengio 2010."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Normal draws of std gain * sqrt(2 / (fan_in + fan_out)). Source: Glorot and Bengio 2010."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Uniform draws in +-gain * sqrt(3 / fan). Source: He et al. 2015.

    `mode` is "fan_in" or "fan_out"; `a` is the slope of a leaky_relu that follows. A tensor
    without elements is left alone, with a warning.
    """
    if _has_no_elements(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Normal draws of std gain / sqrt(fan); otherwise as `kaiming_uniform_`."""
    if _has_no_elements(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


# Structured


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix. Raises ValueError unless there are two dimensions."""
    _check_matrix(tensor)
    return _filled(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution's weights that keep as many input channels as they can, in each group.

    Raises ValueError unless there are three to five dimensions and `groups` divides the first.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    values: Array = np.zeros(tensor.shape)
    per_group = tensor.shape[0] // groups
    kept = np.arange(min(per_group, tensor.shape[1]))
    centre = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        values[(group * per_group + kept, kept, *centre)] = 1
    return _filled(tensor, values)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator = None) -> Tensor:
    """A matrix with orthogonal rows or columns, times `gain`; later dimensions count as one.

    The Q of a QR decomposition of normal draws, its signs such that it is uniformly distributed.
    It agrees with PyTorch's to rounding only: LAPACKs differ.
    Raises ValueError unless there are two dimensions or more.
    Source: Saxe et al. 2013; Mezzadri 2007.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    flat = chosen(generator).normal((rows, tensor.numel() // rows), 0, 1, tensor._array.dtype)
    wide = flat.shape[0] < flat.shape[1]
    q, r = np.linalg.qr(flat.T if wide else flat)
    q = q * np.sign(np.diagonal(r))
    return _filled(tensor, (q.T if wide else q).reshape(tensor.shape) * gain)


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator = None
) -> Tensor:
    """Normal draws, with a share `sparsity` of each column set to 0.

    Which ones is drawn from the default generator, as in PyTorch, whatever `generator` is.
    Raises ValueError unless there are two dimensions. Source: Martens 2010.
    """
    _check_matrix(tensor)
    normal_(tensor, 0.0, std, generator)
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    values = tensor._array.copy()
    for column in range(columns):
        values[chosen(None).permutation(rows)[:zeros], column] = 0
    return _filled(tensor, values)


# How many inputs and outputs a weight has


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(inputs, outputs) that an element of the output, or of the input, is connected with."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    modes = ["fan_in", "fan_out"]
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode.lower()} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _has_no_elements(tensor: Tensor) -> bool:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def _check_matrix(tensor: Tensor) -> None:
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")


def _drawn(tensor: Tensor, draw: Callable[[], Any]) -> Tensor:
    if tensor.numel():
        with no_grad():
            draw()
        tensor._bump()
    return tensor


def _filled(tensor: Tensor, values: Any) -> Tensor:
    write(tensor, values._array if isinstance(values, Tensor) else values)
    return tensor


# PyTorch's old names


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    new = function.__name__
    old = new[:-1]

    def called(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    called.__name__, called.__doc__ = old, f"Deprecated: `{new}`."
    return called


uniform, normal, constant = _deprecated(uniform_), _deprecated(normal_), _deprecated(constant_)
eye, dirac = _deprecated(eye_), _deprecated(dirac_)
orthogonal, sparse = _deprecated(orthogonal_), _deprecated(sparse_)
xavier_uniform, xavier_normal = _deprecated(xavier_uniform_), _deprecated(xavier_normal_)
kaiming_uniform, kaiming_normal = _deprecated(kaiming_uniform_), _deprecated(kaiming_normal_)
