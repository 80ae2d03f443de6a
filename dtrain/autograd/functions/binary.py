# mypy: disable-error-code="no-any-return"
"""Other functions of two, element by element."""

from typing import Any

from dtrain.autograd.functions import comparison
from dtrain.autograd.functions.limits import maximum
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.functions.unary import exp, isfinite, isnan, log
from dtrain.autograd.ops import rounding, trigonometry
from dtrain.autograd.tensor import Tensor

__all__ = [
    "arctan2", "atan2", "copysign", "heaviside", "hypot", "logaddexp", "xlogy",
]  # fmt: skip


@public(in_place=True)
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Angle of the point (other, input), in radians, in (-pi, pi]."""
    return trigonometry.atan2(input, other)


@public(in_place=True)
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input ** 2 + other ** 2), without overflow."""
    return trigonometry.hypot(input, other)


@public(in_place=True)
def copysign(input: Tensor, other: Any) -> Tensor:
    """|input| with the sign of other."""
    return rounding.copysign(input, other)


@public(in_place=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below zero, 1 above, `values` at zero."""
    return rounding.heaviside(input, values)


@public()
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(e ** input + e ** other), without overflow."""
    top = maximum(input, other).detach()
    held = comparison.where(isfinite(top), top, 0.0)
    return log(exp(input - held) + exp(other - held)) + held


@public(in_place=True)
def xlogy(input: Any, other: Any) -> Tensor:
    """input * log(other), 0 where the input is 0, nan where other is nan."""
    source = input if isinstance(input, Tensor) else other.new_tensor(input)
    logged = other if isinstance(other, Tensor) else source.new_tensor(other)
    zero = (source == 0) & ~isnan(logged)
    safe = comparison.where(zero, 1.0, logged)
    return comparison.where(zero, source * 0.0 + 0.0 * safe, source * log(safe))


alias("arctan2", "atan2")
arctan2 = atan2
