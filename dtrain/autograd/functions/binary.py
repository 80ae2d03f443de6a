# mypy: disable-error-code="no-any-return"
"""Other functions of two, element by element."""

from typing import Any

from dtrain.autograd.functions import comparison
from dtrain.autograd.functions.arguments import number_of, tensor_of, tensors_of
from dtrain.autograd.functions.limits import maximum
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.functions.unary import exp, exp2, isfinite, log, log2
from dtrain.autograd.ops import rounding, special, trigonometry
from dtrain.autograd.tensor import Tensor

__all__ = [
    "arctan2", "atan2", "copysign", "gcd", "heaviside", "hypot", "lcm", "logaddexp", "logaddexp2",
    "nextafter", "xlogy",
]  # fmt: skip


@public(in_place=True)
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Angle of the point (other, input), in radians, in (-pi, pi]."""
    tensors_of("atan2", input, other)
    return trigonometry.atan2(input, other)


@public(in_place=True)
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input ** 2 + other ** 2), without overflow."""
    tensors_of("hypot", input, other)
    return trigonometry.hypot(input, other)


@public(in_place=True)
def copysign(input: Tensor, other: Any) -> Tensor:
    """|input| with the sign of other."""
    return rounding.copysign(tensor_of(input, who="copysign"), number_of(other))


@public(in_place=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below zero, 1 above, `values` at zero."""
    tensors_of("heaviside", input, values)
    if input._array.dtype != values._array.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return rounding.heaviside(input, values)


@public(in_place=True)
def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next floating point number after the input, towards other."""
    tensors_of("nextafter", input, other)
    return rounding.nextafter(input, other)


@public(in_place=True)
def gcd(input: Tensor, other: Tensor) -> Tensor:
    """Greatest common divisor of integers."""
    tensors_of("gcd", input, other)
    return rounding.gcd(input, other)


@public(in_place=True)
def lcm(input: Tensor, other: Tensor) -> Tensor:
    """Least common multiple of integers, not below 0."""
    tensors_of("lcm", input, other)
    return rounding.lcm(input, other)


def _above(input: Tensor, other: Tensor) -> Tensor:
    """The greater of two where it is finite, else 0: what can be subtracted from both."""
    top = maximum(input, other).detach()
    return comparison.where(isfinite(top), top, 0.0)


@public()
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(e ** input + e ** other), without overflow."""
    tensors_of("logaddexp", input, other)
    held = _above(input, other)
    return log(exp(input - held) + exp(other - held)) + held


@public()
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2 ** input + 2 ** other), without overflow."""
    tensors_of("logaddexp2", input, other)
    held = _above(input, other)
    return log2(exp2(input - held) + exp2(other - held)) + held


@public(in_place=True)
def xlogy(input: Any, other: Any) -> Tensor:
    """input * log(other), 0 where the input is 0, nan where other is nan."""
    return times_log(input, other, special.xlogy, "xlogy")


def times_log(input: Any, other: Any, product: Any, who: str) -> Tensor:
    """`special.xlogy` or its like, of tensors or a tensor and a number."""
    if not isinstance(input, Tensor):
        tensors_of(who, other)
    source = input if isinstance(input, Tensor) else other.new_tensor(input)
    return product(source, other if isinstance(other, Tensor) else source.new_tensor(other))


alias("arctan2", "atan2")
arctan2 = atan2
