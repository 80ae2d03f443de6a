# mypy: disable-error-code="no-any-return"
"""Functions of one tensor, element by element."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd import dtypes
from dtrain.autograd.functions import comparison, results
from dtrain.autograd.functions.arguments import tensor_of
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.op import Op
from dtrain.autograd.ops import elementwise, gamma, rounding, special, trigonometry
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "angle",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "conj",
    "conj_physical",
    "cos",
    "cosh",
    "deg2rad",
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "fix",
    "floor",
    "frac",
    "frexp",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "log10",
    "logit",
    "mvlgamma",
    "neg",
    "negative",
    "polygamma",
    "positive",
    "rad2deg",
    "real",
    "reciprocal",
    "relu",
    "resolve_conj",
    "resolve_neg",
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
    "tan",
    "tanh",
    "trunc",
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
digamma = unary(gamma.digamma)
erf = unary(special.erf)
erfc = unary(special.erfc)
exp = unary(elementwise.exp)
exp2 = unary(trigonometry.exp2)
expm1 = unary(special.expm1)
floor = unary(rounding.floor)
frac = unary(rounding.frac)
lgamma = unary(gamma.lgamma)
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
    x = input if input._array.dtype.kind == "f" else input.to(dtypes.default_dtype())
    x = x if eps is None else rounding.clamp(x, low=eps, high=1 - eps)
    return log(x / (1 - x))


@public(in_place=True)
def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0."""
    scaled = input * math.pi
    zero = scaled == 0
    safe = comparison.where(zero, 1.0, scaled)
    return comparison.where(zero, 1.0 - scaled * scaled / 6, sin(safe) / safe)


@public(in_place=True)
def erfinv(input: Tensor) -> Tensor:
    """The inverse of erf; +-inf at +-1, nan outside."""
    return special.erfinv(tensor_of(input, who="erfinv"))


@public(in_place=True)
def polygamma(input: Any, n: Any) -> Tensor:
    """The n-th derivative of digamma: polygamma(n, input), or as a method input.polygamma(n)."""
    order, x = (n, input) if isinstance(input, Tensor) else (input, n)
    if order < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return gamma.digamma(x) if order == 0 else gamma.polygamma(x, n=int(order))


@public(in_place=True)
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """log of the multivariate gamma function of dimension p.

    log(pi) p (p - 1) / 4 + sum over j < p of lgamma(x - j / 2)
    """
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    x = input if input._array.dtype.kind == "f" else input.to(dtypes.default_dtype())
    terms = x.unsqueeze(-1) - wrap(np.arange(p).astype(x._array.dtype) / 2)
    return gamma.lgamma(terms).sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


@public()
def frexp(input: Tensor) -> results.Parts:
    """(mantissa, exponent): input = mantissa * 2 ** exponent, 1/2 <= |mantissa| < 1."""
    if input._array.dtype.kind != "f":
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    exponent = wrap(np.asarray(np.frexp(input._array)[1], np.int32))
    return results.frexp(rounding.mantissa(input, exponent), exponent)


@public()
def angle(input: Tensor) -> Tensor:
    """Of a real number: pi below 0, else 0; nan stays."""
    x = input if input._array.dtype.kind == "f" else input.to(dtypes.default_dtype())
    return comparison.where(x < 0, math.pi, x * 0.0).to(x.dtype)


def _itself(name: str) -> Callable[..., Any]:
    """A function that makes a difference for complex numbers only."""

    def function(input: Tensor) -> Tensor:
        return tensor_of(input, who=name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The tensor itself: it has no complex numbers."
    return public(in_place=name == "conj_physical")(function)


conj, conj_physical, real = _itself("conj"), _itself("conj_physical"), _itself("real")
resolve_conj, resolve_neg = _itself("resolve_conj"), _itself("resolve_neg")


@public()
def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex numbers."""
    return wrap(np.ones(input._array.shape, bool))


@public()
def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    if input._array.dtype == bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


for _name, _of in {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctanh": "atanh", "fix": "trunc", "negative": "neg", "sgn": "sign",
}.items():  # fmt: skip
    alias(_name, _of)
absolute, negative, fix, sgn = abs, neg, trunc, sign
arccos, arccosh, arcsin, arcsinh, arctan, arctanh = acos, acosh, asin, asinh, atan, atanh
