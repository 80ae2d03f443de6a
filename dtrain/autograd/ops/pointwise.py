# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Losses of one number against another, element by element, before they are summed."""

from typing import Any

import numpy as np

from dtrain.autograd.dtypes import common
from dtrain.autograd.op import op
from dtrain.autograd.ops.activation import hardtanh, keep, logsigmoid
from dtrain.autograd.ops.elementwise import ANY, exp, log, maximum, sigmoid
from dtrain.autograd.ops.special import log1p
from dtrain.autograd.value import Array


@op(
    prepare=common,
    domain=ANY,
    a=lambda g, a, b: g * (2.0 * (a - b)),
    b=lambda g, a, b: g * (2.0 * (b - a)),
)
def squared_error(a: Array, b: Array) -> Any:
    """(a - b)**2."""
    difference = a - b
    return difference * difference


def _huber_slope(g: Any, a: Any, b: Any, delta: float, scale: float) -> Any:
    slope = hardtanh(a - b, low=-delta, high=delta)
    return g * (slope if scale == 1.0 else slope * scale)


@op(
    prepare=common,
    domain=ANY,
    a=_huber_slope,
    b=lambda g, a, b, delta, scale: _huber_slope(g, b, a, delta, scale),
)
def huber(a: Array, b: Array, *, delta: float = 1.0, scale: float = 1.0) -> Any:
    """With d = |a - b|: d**2 / 2 up to delta, delta * (d - delta / 2) beyond; times scale.

    Source: Huber 1964.
    """
    difference = a - b
    slope = np.clip(difference, -delta, delta)
    loss = slope * (difference - 0.5 * slope)
    return loss if scale == 1.0 else loss * scale


_LEAST = float(np.float32(1e-12))  # PyTorch's, which is rounded to float32 for all dtypes


@op(
    prepare=common,
    x=lambda g, x, t: g * (x - t) / maximum((1.0 - x) * x, _LEAST),
    t=lambda g, x: g * (log1p(-x) - log(x)),
)
def binary_entropy(x: Array, t: Array) -> Any:
    """-(t log x + (1 - t) log(1 - x)), both logarithms at least -100; x and t in [0, 1]."""
    return (t - 1.0) * np.maximum(np.log1p(-x), -100.0) - t * np.maximum(np.log(x), -100.0)


@op(prepare=common, x=lambda g, x, t: g * (sigmoid(x) - t), t=lambda g, x: -g * x)
def binary_entropy_of_logits(x: Array, t: Array) -> Any:
    """`binary_entropy` of sigmoid(x): (1 - t) x + log(1 + e**-x), without overflow."""
    return (1.0 - t) * x - logsigmoid(x)


def _divergence_slope(g: Any, x: Any, t: Any, log_target: bool) -> Any:
    if log_target:
        return g * (exp(t) * (t - x + 1.0))
    return g * (log(t) + 1.0 - x)


@op(
    prepare=common,
    x=lambda g, t, log_target: -g * (exp(t) if log_target else t),
    t=_divergence_slope,
)
def divergence(x: Array, t: Array, *, log_target: bool = False) -> Any:
    """t * (log t - x), the terms of a Kullback-Leibler divergence; e**t for t if `log_target`."""
    if log_target:
        return np.exp(t) * (t - x)
    return keep(t * np.log(t), t != 0) - t * x
