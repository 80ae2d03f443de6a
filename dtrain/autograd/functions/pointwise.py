# mypy: disable-error-code="no-any-return"
"""Arithmetic and functions, element by element."""

import builtins
import math
from collections.abc import Callable
from typing import Any

from dtrain.autograd import dtypes
from dtrain.autograd.functions import comparison
from dtrain.autograd.functions.arguments import tensor_of
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.op import Op
from dtrain.autograd.ops import elementwise, rounding, special, trigonometry
from dtrain.autograd.tensor import Tensor

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "addcdiv",
    "addcmul",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "copysign",
    "cos",
    "cosh",
    "deg2rad",
    "div",
    "divide",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fix",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frac",
    "heaviside",
    "hypot",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "lerp",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logit",
    "maximum",
    "minimum",
    "mul",
    "multiply",
    "nan_to_num",
    "neg",
    "negative",
    "positive",
    "pow",
    "rad2deg",
    "reciprocal",
    "relu",
    "remainder",
    "round",
    "rsqrt",
    "sgn",
    "sigmoid",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
    "xlogy",
]  # fmt: skip


def unary(op: Op, name: str | None = None) -> Callable[..., Any]:
    """The function, method and in-place method of an op of one input."""
    known = name or op.name

    def function(input: Tensor) -> Any:
        return op(tensor_of(input, who=known))

    function.__name__ = function.__qualname__ = known
    function.__doc__ = op.__doc__
    return public(in_place=True)(function)


abs = unary(elementwise.abs_)
acos = unary(trigonometry.acos)
acosh = unary(trigonometry.acosh)
asin = unary(trigonometry.asin)
asinh = unary(trigonometry.asinh)
atan = unary(trigonometry.atan)
atanh = unary(trigonometry.atanh)
ceil = unary(rounding.ceil)
cos = unary(trigonometry.cos)
cosh = unary(trigonometry.cosh)
erf = unary(special.erf)
erfc = unary(special.erfc)
exp = unary(elementwise.exp)
exp2 = unary(trigonometry.exp2)
expm1 = unary(special.expm1)
floor = unary(rounding.floor)
frac = unary(rounding.frac)
log = unary(elementwise.log)
log10 = unary(trigonometry.log10)
log1p = unary(special.log1p)
log2 = unary(trigonometry.log2)
neg = unary(elementwise.neg)
reciprocal = unary(trigonometry.reciprocal)
relu = unary(elementwise.relu)
rsqrt = unary(trigonometry.rsqrt)
sigmoid = unary(elementwise.sigmoid)
sign = unary(elementwise.sign)
sin = unary(trigonometry.sin)
sinh = unary(trigonometry.sinh)
sqrt = unary(elementwise.sqrt)
tan = unary(trigonometry.tan)
tanh = unary(elementwise.tanh)
trunc = unary(rounding.trunc)


def _test(op: Op) -> Callable[..., Any]:
    """The function and method of a test of each element; nothing to do in place."""

    def function(input: Tensor) -> Any:
        return op(tensor_of(input, who=op.name))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.__doc__
    return public()(function)


isfinite, isinf = _test(rounding.isfinite), _test(rounding.isinf)
isnan, signbit = _test(rounding.isnan), _test(rounding.signbit)


@public()
def isposinf(input: Tensor) -> Tensor:
    """Whether it is inf."""
    return isinf(input) & (input > 0)


@public()
def isneginf(input: Tensor) -> Tensor:
    """Whether it is -inf."""
    return isinf(input) & (input < 0)


@public(in_place=True)
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest integer, to the even one of two; or to so many decimals."""
    return rounding.round_(tensor_of(input, who="round"), decimals=decimals)


@public(in_place=True)
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input, but at least `min` and at most `max`, numbers or tensors; nan stays."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return _clamp_to_tensors(input, min, max)
    kinds = [type(each) for each in (min, max) if each is not None]
    if input._array.dtype.kind in "iu" and float in kinds:
        input = input.to(dtypes.default_dtype())
    return rounding.clamp(input, low=min, high=max)


def _clamp_to_tensors(input: Tensor, min: Any, max: Any) -> Tensor:
    """The gradient goes to the input on the limits, and to a limit beyond it."""
    if min is not None:
        input = comparison.where((input >= min) | isnan(input), input, min)
    return input if max is None else comparison.where((input <= max) | isnan(input), input, max)


@public(in_place=True)
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """input, but at least `min`."""
    return clamp(input, min=min)


@public(in_place=True)
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """input, but at most `max`."""
    return clamp(input, max=max)


@public(in_place=True)
def nan_to_num(input: Tensor, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Tensor:
    """nan replaced by 0 (or `nan`), the infinities by the greatest and the least number."""
    return rounding.nan_to_num(input, nan=nan or 0.0, posinf=posinf, neginf=neginf)


@public(in_place=True)
def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians."""
    return input * (math.pi / 180)


@public(in_place=True)
def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees."""
    return input * (180 / math.pi)


@public(in_place=True)
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), of x clamped to [eps, 1 - eps] if eps is given."""
    x = input if eps is None else clamp(input, eps, 1 - eps)
    return log(x / (1 - x))


@public(in_place=True)
def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0."""
    scaled = input * math.pi
    zero = scaled == 0
    safe = comparison.where(zero, 1.0, scaled)
    return comparison.where(zero, 1.0 - scaled * scaled / 6, sin(safe) / safe)


@public()
def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    if input._array.dtype == bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def _scaled(other: Any, alpha: Any) -> Any:
    return other if alpha == 1 else other * alpha


@public(in_place=True)
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    return elementwise.add(input, _scaled(other, alpha))


@public(in_place=True)
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other."""
    return elementwise.sub(input, _scaled(other, alpha))


@public(in_place=True)
def mul(input: Any, other: Any) -> Tensor:
    """input * other."""
    return elementwise.mul(input, other)


@public(in_place=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounded towards zero ("trunc") or down ("floor") if told so."""
    if rounding_mode is None:
        return elementwise.div(input, other)
    if rounding_mode == "floor":
        return elementwise.floor_divide(input, other)
    if rounding_mode == "trunc":
        return rounding.trunc_divide(input, other)
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'"
    )


@public(in_place=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """input / other, rounded down."""
    return elementwise.floor_divide(input, other)


@public(in_place=True)
def remainder(input: Any, other: Any) -> Tensor:
    """input - other * floor(input / other): Python's %."""
    return elementwise.remainder(input, other)


@public(in_place=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent."""
    return elementwise.pow_(input, exponent)


@public(in_place=True)
def square(input: Tensor) -> Tensor:
    """input ** 2."""
    return pow(input, 2)


@public()
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The greater of two, element by element."""
    return elementwise.maximum(input, other)


@public()
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The lesser of two, element by element."""
    return elementwise.minimum(input, other)


@public()
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The greater of two; of nan and a number, the number."""
    greater = comparison.where(isnan(other) | (input >= other), input, other)
    return comparison.where(isnan(input), other, greater)


@public()
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The lesser of two; of nan and a number, the number."""
    lesser = comparison.where(isnan(other) | (input <= other), input, other)
    return comparison.where(isnan(input), other, lesser)


@public(in_place=True)
def fmod(input: Any, other: Any) -> Tensor:
    """input - other * trunc(input / other), with the sign of the input."""
    return rounding.fmod(input, other)


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


@public()
def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent in float64."""
    base, power = (
        each.to(dtypes.float64) if isinstance(each, Tensor) else float(each)
        for each in (input, exponent)
    )
    return elementwise.pow_(base, power)


@public(in_place=True)
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input), counted from the nearer end."""
    difference = end - input
    near = input + weight * difference
    far = end - difference * (1 - weight)
    if isinstance(weight, Tensor):
        return comparison.where(weight.abs() < 0.5, near, far)
    return near if builtins.abs(weight) < 0.5 else far


@public(in_place=True)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    return input + value * tensor1 * tensor2


@public(in_place=True)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    return input + value * (tensor1 / tensor2)


for _name, _of in {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "clip": "clamp", "divide": "div",
    "fix": "trunc", "multiply": "mul", "negative": "neg", "sgn": "sign", "subtract": "sub",
    "true_divide": "div",
}.items():  # fmt: skip
    alias(_name, _of)
absolute, negative, subtract, multiply, divide, true_divide = abs, neg, sub, mul, div, div
arccos, arccosh, arcsin, arcsinh, arctan, arctan2 = acos, acosh, asin, asinh, atan, atan2
arctanh, clip, fix, sgn = atanh, clamp, trunc, sign
