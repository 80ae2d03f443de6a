# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Activations, element by element (`glu` halves an axis, `keep` is what their gradients do)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import canonical, common, floating
from dtrain.autograd.op import fused, op
from dtrain.autograd.ops.blocks import in_blocks, like, polynomial
from dtrain.autograd.ops.elementwise import ANY, exp, sigmoid, tanh
from dtrain.autograd.ops.elementwise import minimum as lesser
from dtrain.autograd.ops.logic import tied, where
from dtrain.autograd.ops.shape import index
from dtrain.autograd.ops.special import erf, log1p
from dtrain.autograd.value import Array

_BITS = {2: np.int16, 4: np.int32, 8: np.int64}


@op(x=lambda g, mask: keep(g, mask))
def keep(x: Array, mask: Array) -> Any:
    """x where the mask holds, 0 elsewhere. By bits: no branches, and inf * 0 does not arise."""
    bits: Any = _BITS[x.dtype.itemsize]
    ones = np.negative(mask.view(np.int8)).astype(bits)  # all bits set, or none
    return (x.view(bits) & ones).view(x.dtype)


# Straight pieces


@op(
    prepare=floating,
    domain=ANY,
    x=lambda g, x, slope: tied(keep(g, x > 0) + slope * keep(g, ~(x > 0)), x),
)
def leaky_relu(x: Array, *, slope: float = 0.01) -> Any:
    """x above 0, slope * x below; the slope at 0 is that below."""
    return _bent(x, slope)


@op(
    prepare=common,
    label="PreluKernel",
    x=lambda g, x, weight: tied(keep(g, x > 0) + weight * keep(g, ~(x > 0)), x),
    weight=lambda g, x: keep(g * x, ~(x > 0)),
)
def prelu(x: Array, weight: Array) -> Any:
    """x above 0, weight * x below."""
    return _bent(x, weight)


def _bent(x: Array, slope: Any) -> Any:
    return _above(x) + slope * _below(x)


def _above(x: Array, out: Array | None = None) -> Any:
    """max(x, 0). NumPy's `clip` takes a third of the time of its `maximum` with a number."""
    return np.clip(x, 0.0, np.inf, out=out)


def _below(x: Array, out: Array | None = None) -> Any:
    """min(x, 0)."""
    return np.clip(x, -np.inf, 0.0, out=out)


@op(domain=ANY, x=lambda g, x, low, high: tied(keep(g, ~((x <= low) | (x >= high))), x))
def hardtanh(x: Array, *, low: float = -1.0, high: float = 1.0) -> Any:
    """x between low and high, else the nearer of them; gradient 0 from there on."""
    return np.clip(x, low, high)


@op(domain=ANY, x=lambda g, x, low: tied(keep(g, ~(x <= low)), x))
def threshold(x: Array, *, low: float = 0.0, value: float = 0.0) -> Any:
    """x above `low`, `value` elsewhere."""
    return np.where(x <= low, x.dtype.type(value), x)


def _outside(g: Any, x: Any, width: float) -> Any:
    return tied(keep(g, ~((x >= -width) & (x <= width))), x)


@op(prepare=floating, domain=ANY, x=_outside)
def softshrink(x: Array, *, width: float = 0.5) -> Any:
    """x, moved towards 0 by `width`, but not past it."""
    return x - np.clip(x, -width, width)


@op(prepare=floating, domain=ANY, x=_outside)
def hardshrink(x: Array, *, width: float = 0.5) -> Any:
    """x where |x| > width, 0 elsewhere."""
    return keep(x, ~((x >= -width) & (x <= width)))


# The slope of hardsigmoid is PyTorch's 1 / 6, which is rounded to float32 for all dtypes.
_SIXTH = float(np.float32(1 / 6))


@op(prepare=floating, domain=ANY, x=lambda g, x: keep(g, (x > -3) & (x < 3)) * _SIXTH)
def hardsigmoid(x: Array) -> Any:
    """x / 6 + 1/2, between 0 and 1."""
    return np.clip(x + 3.0, 0.0, 6.0) / 6.0


@op(
    prepare=floating,
    domain=ANY,
    x=lambda g, x: keep(g * (x / 3.0 + 0.5), (x > -3) & (x < 3)) + keep(g, ~(x < 3)),
)
def hardswish(x: Array) -> Any:
    """x * (x / 6 + 1/2), the factor between 0 and 1. Source: Howard et al. 2019, section 5.2."""
    return x * np.clip(x + 3.0, 0.0, 6.0) / 6.0


# Curved pieces


def _elu_slope(g: Any, x: Any, alpha: float, scale: float, inner: float) -> Any:
    curved = keep(g, x <= 0) * exp(lesser(x * inner, 0.0)) * (alpha * scale * inner)
    return keep(g, ~(x <= 0)) * scale + curved


@op(prepare=floating, domain=ANY, x=_elu_slope)
def elu(x: Array, *, alpha: float = 1.0, scale: float = 1.0, inner: float = 1.0) -> Any:
    """scale * x above 0, scale * alpha * (e**(inner * x) - 1) below.

    Source: Clevert et al. 2016; with scale: Klambauer et al. 2017; with inner: Barron 2017.
    """

    def kernel(x: Array, out: Array, work: Array) -> None:
        _below(x, work)
        work *= inner
        _expm1_of_negative(work, out)
        out *= alpha * scale
        _above(x, work)
        work *= scale
        out += work

    return _filled(kernel, x, scratch=1)


def _expm1_of_negative(x: Array, out: Array) -> None:
    """e**x - 1 for x <= 0; x is overwritten. 2t / (1 - t) with t = tanh(x / 2) is right to 3 ulp,
    and in float32 far faster than NumPy's expm1.
    """
    if x.dtype == np.float64:
        np.expm1(x, out=out)
        return
    x *= 0.5
    np.tanh(x, out=x)
    np.subtract(1.0, x, out=out)
    np.divide(x, out, out=out)
    out *= 2.0


def _softplus_slope(g: Any, x: Any, beta: float, limit: float) -> Any:
    return where(x * beta > limit, g, g * sigmoid(x * beta))


@op(prepare=floating, domain=ANY, x=_softplus_slope)
def softplus(x: Array, *, beta: float = 1.0, limit: float = 20.0) -> Any:
    """log(1 + e**(beta * x)) / beta, and x itself where beta * x is above the limit."""

    def kernel(x: Array, out: Array, term: Array) -> None:
        z = x if beta == 1.0 else x * beta
        _log_of_one_and_more(z, out, term)
        _above(z, out)
        out += term
        if beta != 1.0:
            out /= beta
        np.copyto(out, x, where=z > limit)

    return _filled(kernel, x, scratch=1)


@op(prepare=floating, domain=ANY, label="LogSigmoid", x=lambda g, x: g * sigmoid(-x))
def logsigmoid(x: Array) -> Any:
    """log(1 / (1 + e**-x)), without overflow."""

    def kernel(x: Array, out: Array, term: Array) -> None:
        _log_of_one_and_more(x, out, term)
        _below(x, out)
        out -= term

    return _filled(kernel, x, scratch=1)


def _log_of_one_and_more(z: Array, work: Array, out: Array) -> None:
    """out = log(1 + e) with e = e**-|z|, in which log(1 + e) = log(u) + (e - (u - 1)) / u for the
    rounded u = 1 + e: right to 2 ulp, and faster than NumPy's log1p. Source: Higham 2002, 1.14.1.
    """
    e, u = np.exp(-np.abs(z)), work
    np.add(e, 1.0, out=u)
    np.subtract(u, 1.0, out=out)
    e -= out
    e /= u
    np.log(u, out=out)
    out += e


def _filled(kernel: Callable[..., None], x: Array, scratch: int) -> Array:
    out = like(x)
    in_blocks(kernel, x, out, scratch=scratch)
    return out


# x times a gate. gelu and silu are x * sigmoid(x * p(x**2)) with a polynomial p.

_SILU = (1.0,)
_GELU_TANH = (2 * math.sqrt(2 / math.pi), 2 * math.sqrt(2 / math.pi) * 0.044715)
# log(Phi(x) / Phi(-x)) / x for the normal distribution Phi, |x| < 5.6: x * Phi(x) is right to 7e-8.
# Source: least squares, with the weights moved until the greatest error was least (Lawson 1961).
_GELU = (1.59576843, 7.26685668e-02, -6.62598720e-05, -1.10480347e-04, 7.93822272e-06,
         -2.66893040e-07, 3.61123758e-09)  # fmt: skip


def _gelu_formula(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "none":
        return x * (0.5 + 0.5 * erf(x * math.sqrt(0.5)))
    return x * (0.5 + 0.5 * tanh(x * (1.0 + 0.044715 * x * x) * math.sqrt(2 / math.pi)))


@fused("x", formula=_gelu_formula)
def gelu(x: Array, *, approximate: str = "none") -> tuple[Array, Any]:
    """x * Phi(x), the normal distribution function; or with tanh for it.

        "none":  x * (1 + erf(x / sqrt(2))) / 2
        "tanh":  x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2

    Right to 2e-7 + 2e-7 |x| in float32.
    Source: Hendrycks and Gimpel 2016.
    """
    x = canonical(x)
    if approximate == "tanh":
        return _gated(x, _GELU_TANH, _sigmoid_slope)
    if x.dtype == np.float64:
        return _gelu_double(x)
    return _gated(x, _GELU, _normal_slope)


@fused("x", formula=lambda x: x * sigmoid(x))
def silu(x: Array) -> tuple[Array, Any]:
    """x * sigmoid(x). Source: Elfwing et al. 2017."""
    return _gated(canonical(x), _SILU, _sigmoid_slope)


def _gated(x: Array, coefficients: Sequence[float], slope: Any) -> tuple[Array, Any]:
    """x * sigmoid(x * p(x**2)); `above` is 1 / that sigmoid."""
    above, out = like(x), like(x)
    negative = [-coefficient for coefficient in coefficients]

    def kernel(x: Array, above: Array, out: Array, work: Array) -> None:
        np.multiply(x, x, out=work)
        polynomial(work, negative, above)
        above *= x
        np.exp(above, out=above)
        above += 1.0
        np.divide(x, above, out=out)

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array]:
        gradient = like(x)
        in_blocks(
            lambda *blocks: slope(coefficients, *blocks),
            *(x, above, canonical(g), gradient),
            scratch=2,
        )
        return (gradient,)

    in_blocks(kernel, x, above, out, scratch=1)
    return out, backward


def _sigmoid_slope(
    coefficients: Sequence[float], x: Array, above: Array, g: Array, out: Array, s: Array, p: Array
) -> None:
    """out = g * (s + x * s * (1 - s) * d/dx (x * p(x**2)))."""
    np.multiply(x, x, out=s)
    polynomial(s, [c * (2 * k + 1) for k, c in enumerate(coefficients)], p)
    p *= x
    np.divide(1.0, above, out=s)
    np.subtract(1.0, s, out=out)
    out *= p
    out += 1.0
    out *= s
    out *= g


def _normal_slope(
    coefficients: Sequence[float], x: Array, above: Array, g: Array, out: Array, s: Array, p: Array
) -> None:
    """out = g * (Phi(x) + x * its density)."""
    np.multiply(x, x, out=out)
    out *= -0.5
    np.exp(out, out=out)
    out *= x
    out *= 1 / math.sqrt(2 * math.pi)
    np.divide(1.0, above, out=s)
    out += s
    out *= g


def _gelu_double(x: Array) -> tuple[Array, Any]:
    gate: Any = 0.5 + 0.5 * erf(x * math.sqrt(0.5))

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Any]:
        return (g * (gate + x * np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))),)

    return x * gate, backward


@fused("x", formula=lambda x: x * tanh(log1p(exp(x))))
def mish(x: Array) -> tuple[Array, Any]:
    """x * tanh(log(1 + e**x)) = x * n / (n + 2) with n = e**x * (e**x + 2). Source: Misra 2019."""
    x = canonical(x)

    def kernel(x: Array, out: Array, e: Array, n: Array) -> None:
        _mish_parts(x, e, n)
        np.multiply(x, n, out=out)
        n += 2.0
        out /= n

    def slope(x: Array, g: Array, out: Array, e: Array, n: Array) -> None:
        """out = g * (n / (n + 2) + 4 * x * e * (e + 1) / (n + 2)**2)."""
        _mish_parts(x, e, n)
        np.multiply(e, x, out=out)
        e += 1.0
        out *= e
        out *= 4.0
        np.add(n, 2.0, out=e)
        out /= e
        out += n
        out /= e
        out *= g

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array]:
        gradient = like(x)
        in_blocks(slope, x, canonical(g), gradient, scratch=2)
        return (gradient,)

    return _filled(kernel, x, scratch=2), backward


def _mish_parts(x: Array, e: Array, n: Array) -> None:
    np.clip(x, -np.inf, 20.0, out=e)  # n / (n + 2) is 1 from there on
    np.exp(e, out=e)
    np.add(e, 2.0, out=n)
    n *= e


# Gates of halves


def _glu_formula(x: Any, *, axis: int = -1) -> Any:
    first, second = _halves(x.shape, axis)
    return index(x, key=first) * sigmoid(index(x, key=second))


@fused("x", formula=_glu_formula)
def glu(x: Array, *, axis: int = -1) -> tuple[Any, Any]:
    """a * sigmoid(b), where a and b are the halves of x along an axis. Source: Dauphin 2017."""
    first, second = _halves(x.shape, axis)
    a, gate = canonical(x[first]), sigmoid(x[second])

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array]:
        gradient = like(x)
        np.multiply(g, gate, out=gradient[first])
        np.multiply(gradient[first], a * (1.0 - gate), out=gradient[second])
        return (gradient,)

    return a * gate, backward


def _halves(shape: tuple[int, ...], axis: int) -> tuple[Any, Any]:
    half = shape[axis] // 2
    before = (slice(None),) * (axis % len(shape))
    return (*before, slice(half)), (*before, slice(half, None))
