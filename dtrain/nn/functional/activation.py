# mypy: disable-error-code="no-any-return"
"""Activations. With `inplace`, and under a name that ends in `_`, they write into their input."""

import functools
from typing import Any

import numpy as np

from dtrain import random
from dtrain.autograd.inplace import in_place
from dtrain.autograd.ops import activation as ops
from dtrain.autograd.ops import elementwise
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.nn.functional.reduction import require_float

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish",
    "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "logsigmoid", "mish", "prelu", "relu",
    "relu6", "relu_", "rrelu", "rrelu_", "selu", "selu_", "sigmoid", "silu", "softplus",
    "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "threshold_",
]  # fmt: skip

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


_changing = functools.cache(in_place)


def _apply(function: Any, input: Tensor, inplace: bool, **options: Any) -> Tensor:
    return (_changing(function) if inplace else function)(input, **options)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), with gradient 0 at 0. Raises RuntimeError for bools."""
    if input.dtype == np.bool_:
        raise RuntimeError("Boolean inputs not supported for relu")
    return _apply(elementwise.relu, input, inplace)


def relu_(input: Tensor) -> Tensor:
    """`relu` in place."""
    return relu(input, True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x between 0 and 6, else the nearer of them."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x between min_val and max_val, else the nearer of them; gradient 0 from there on.

    Raises ValueError if min_val > max_val, RuntimeError for bools.
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype == np.bool_:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    kind: Any = float if input.is_floating_point() else int
    return _apply(ops.hardtanh, input, inplace, low=kind(min_val), high=kind(max_val))


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` in place."""
    return hardtanh(input, min_val, max_val, True)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x above the threshold, `value` elsewhere."""
    return _apply(ops.threshold, input, inplace, low=threshold, value=value)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold` in place."""
    return _apply(ops.threshold, input, True, low=threshold, value=value)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x above 0, negative_slope * x below."""
    require_float(input, "leaky_relu_cpu")
    return _apply(ops.leaky_relu, input, inplace, slope=float(negative_slope))


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` in place."""
    return leaky_relu(input, negative_slope, True)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x above 0, weight * x below.

    Shapes:  input any;  weight () or (1), or (c) for an input (n, c, ...).
    Raises RuntimeError if they do not fit, or have two dtypes.
    """
    if input.dtype != weight.dtype:
        raise RuntimeError(
            "prelu: Type promoting not supported. "
            f"Got {input._array.dtype} and {weight._array.dtype}"
        )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.numel() == 1:
        return ops.prelu(input, weight.reshape(()))
    channels = input.shape[1] if input.ndim > 1 else 1
    if not input.ndim or channels != weight.numel():
        raise RuntimeError(
            "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
            f"{weight.numel()} and channel size = {channels}."
        )
    return ops.prelu(input, weight.reshape(-1, *(1,) * (input.ndim - 2)))


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x above 0; below, x times a slope drawn from [lower, upper), or their mean if not training.

    PyTorch's numbers: one draw of the default generator for each element that is not above 0.
    Raises RuntimeError for an empty range. Source: Xu et al. 2015.
    """
    if not lower <= upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    require_float(input, "rrelu_with_noise_out_cpu")
    slopes = np.ones(input.shape, input._array.dtype)
    below = input._array <= 0
    units = random.default_generator.uniform((int(below.sum()),), dtype=np.float64)
    low, high = slopes.dtype.type(lower), slopes.dtype.type(upper)
    slopes[below] = units * (float(high) - float(low)) + float(low)  # in PyTorch's roundings
    multiply = _changing(elementwise.mul) if inplace else elementwise.mul
    return multiply(input, wrap(slopes))


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """`rrelu` in place."""
    return rrelu(input, lower, upper, training, True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x above 0, alpha * (e**x - 1) below. Source: Clevert et al. 2016."""
    require_float(input, "elu_cpu")
    return _apply(ops.elu, input, inplace, alpha=float(alpha))


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu` in place."""
    return elu(input, alpha, True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu`, scaled so that mean 0 and variance 1 stay. Source: Klambauer et al. 2017."""
    require_float(input, "elu_cpu")
    return _apply(ops.elu, input, inplace, alpha=SELU_ALPHA, scale=SELU_SCALE)


def selu_(input: Tensor) -> Tensor:
    """`selu` in place."""
    return selu(input, True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x above 0, alpha * (e**(x / alpha) - 1) below. RuntimeError for alpha 0.

    Source: Barron 2017.
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    require_float(input, "elu_cpu")
    return _apply(ops.elu, input, inplace, alpha=float(alpha), inner=1.0 / alpha)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu` in place."""
    return celu(input, alpha, True)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x) with the normal distribution function, or a tanh for it: see the op.

    Raises RuntimeError if `approximate` is neither "none" nor "tanh".
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    require_float(input, "GeluKernelImpl")
    return ops.gelu(input, approximate=approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also called swish."""
    require_float(input, "silu_cpu")
    return _apply(ops.silu, input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)). Source: Misra 2019."""
    require_float(input, "mish_cpu")
    return _apply(ops.mish, input, inplace)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e**(beta * x)) / beta, and x itself where beta * x is above the threshold."""
    require_float(input, "softplus_cpu")
    return ops.softplus(input, beta=float(beta), limit=float(threshold))


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow."""
    require_float(input, "log_sigmoid_cpu")
    return ops.logsigmoid(input)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    if input.dtype == np.bool_:
        require_float(input, "abs_cpu")
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    if input.dtype == np.bool_:
        raise RuntimeError("Subtraction, the `-` operator, with a bool tensor is not supported.")
    return input - input.tanh()


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, but not past it. RuntimeError for a negative lambd."""
    require_float(input, "softshrink_check")
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd:g}.")
    return ops.softshrink(input, width=float(lambd))


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, 0 elsewhere."""
    require_float(input, "hardshrink_cpu")
    return ops.hardshrink(input, width=float(lambd))


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x). Source: Howard et al. 2019."""
    require_float(input, "hardswish_cpu")
    return _apply(ops.hardswish, input, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x / 6 + 1/2, between 0 and 1."""
    require_float(input, "hardsigmoid_cpu")
    return _apply(ops.hardsigmoid, input, inplace)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return input.tanh()


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e ** -x)."""
    return input.sigmoid()


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), where a and b are the halves of the input along a dimension.

    Raises RuntimeError if its size is odd. Source: Dauphin et al. 2017.
    """
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-input.ndim}, "
            f"{input.ndim - 1}], but got {dim})"
        )
    require_float(input, "glu_cpu")
    if input.shape[dim] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {dim % input.ndim} is size "
            f"{input.shape[dim]}"
        )
    return ops.glu(input, axis=dim)
