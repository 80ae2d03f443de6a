# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""Elements combined with others at places that a key names, other than by adding up."""

from typing import Any

import numpy as np

from dtrain.autograd.op import op
from dtrain.autograd.ops.logic import where
from dtrain.autograd.ops.scan import raw
from dtrain.autograd.ops.shape import index, scatter
from dtrain.autograd.value import Array


def _winners(x: Any, value: Any, out: Any, key: Any) -> tuple[Any, Any]:
    """1 where an element is the extreme one, each divided by how many share that."""
    own, other = (raw(x) == raw(out)) * 1.0, (raw(value) == index(raw(out), key=key)) * 1.0
    ways = np.maximum(own + scatter(other, shape=own.shape, key=key), 1.0)
    return own / ways, other / index(ways, key=key)


@op(
    x=lambda g, x, value, out, key: g * _winners(x, value, out, key)[0],
    value=lambda g, x, value, out, key: index(g, key=key) * _winners(x, value, out, key)[1],
)
def extreme_at(x: Array, value: Array, *, key: Any, greatest: bool) -> Array:
    """A copy of x with the greater (or lesser) of itself and the values at [key]; nan wins. Equal
    ones share the gradient."""
    out = np.array(x, order="C")
    (np.maximum if greatest else np.minimum).at(out, key, value)
    return out


def _product_slope(g: Any, x: Any, value: Any, key: Any) -> Any:
    """The product of the values there; if x is 0 too."""
    return g * product_at(x * 0.0 + 1.0, value, key=key)


def _factor_slope(g: Any, x: Any, value: Any, out: Any, key: Any) -> Any:
    """out / value; where a value is the only 0 of its product, the product of the others."""
    zero = raw(value) == 0
    if not zero.any():
        return index(g * out, key=key) / value
    zeros = scatter(zero * 1.0, shape=raw(x).shape, key=key)
    alone = zero & (index(zeros, key=key) == 1)
    others = product_at(x, where(alone, 1.0, value), key=key)
    rest = index(g * out, key=key) / where(zero, 1.0, value)
    return where(alone, index(g * others, key=key), where(zero, 0.0, rest))


@op(x=_product_slope, value=_factor_slope)
def product_at(x: Array, value: Array, *, key: Any) -> Array:
    """A copy of x, multiplied by all the values at [key], in order."""
    out = np.array(x, order="C")
    np.multiply.at(out, key, value)
    return out
