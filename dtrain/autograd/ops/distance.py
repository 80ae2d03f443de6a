"""Lengths of vectors."""

import math
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import floating
from dtrain.autograd.op import op
from dtrain.autograd.ops.elementwise import abs_, pow_, sign
from dtrain.autograd.ops.logic import eq, where
from dtrain.autograd.ops.reduce import Axis, sum_
from dtrain.autograd.value import Array


def _direction(g: Any, x: Any, out: Any, p: float, axis: Axis) -> Any:
    """PyTorch's subgradients: 0 at the origin; the greatest elements share by equal parts."""
    if p == 0:
        return g * (x * 0.0)
    if p == 1:
        return g * sign(x)
    if math.isinf(p):
        wins = where(eq(abs_(x), out), 1.0, 0.0)
        return sign(x) * wins * (g / sum_(wins, axis=axis, keepdims=True))
    length = where(out == 0, 1.0, out)
    if p == 2:
        return x * (g / length)
    steep = pow_(where(x == 0, 1.0, abs_(x)), p - 1.0)
    return sign(x) * steep * (g / pow_(length, p - 1.0))


@op(prepare=floating, x=_direction)
def lp_norm(x: Array, *, p: float = 2.0, axis: Axis = None) -> Any:
    """(sum |x|**p) ** (1 / p) over axes (None: all of them), which stay with size 1.

    p = inf: the greatest |x|; -inf: the least; 0: how many are not 0.
    """
    if p == 2:
        return np.sqrt((x * x).sum(axis=axis, keepdims=True))
    size = np.abs(x)
    if p == 1:
        return size.sum(axis=axis, keepdims=True)
    if p == 0:
        return (size != 0).sum(axis=axis, keepdims=True, dtype=x.dtype)
    if math.isinf(p):
        return (size.max if p > 0 else size.min)(axis=axis, keepdims=True)
    return (size**p).sum(axis=axis, keepdims=True) ** (1.0 / p)
