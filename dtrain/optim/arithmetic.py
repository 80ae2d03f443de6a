"""Steps that several updates are made of, on plain arrays, in place."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dtrain.optim.options import number

Array = NDArray[Any]
Group = dict[str, Any]


def signed_and_decayed(w: Array, g: Array, out: Array, group: Group) -> Array:
    """Sign and weight decay: changes `g` in place, returns the weights to step from.

    g <- -g                        if maximize
    g <- g + weight_decay w        or, if decoupled,  w <- (1 - lr weight_decay) w  into `out`
    """
    decay = number(group["weight_decay"])
    if group["maximize"]:
        np.negative(g, out=g)
    if decay == 0:
        return w
    if group.get("decoupled_weight_decay"):
        np.multiply(w, 1 - number(group["lr"]) * decay, out=out)
        return out
    g += decay * w
    return w


def lerp(start: Array, end: Array, weight: Any) -> None:
    """start <- start + weight (end - start), in whichever form is exact at its end."""
    distance = end - start
    if weight < 0.5:
        distance *= weight
        start += distance
    else:
        distance *= 1 - weight
        np.subtract(end, distance, out=start)


def decay_to_square(average: Array, g: Array, beta: Any) -> None:
    """average <- beta average + (1 - beta) g^2."""
    average *= beta
    average += (1 - beta) * g * g  # from left to right, as addcmul does


def norm(array: Array) -> float:
    """Euclidean norm, summed in float64 and in C order: a function of values and shape alone."""
    flat = np.ravel(array)
    return math.sqrt(float(np.sum(np.square(flat, dtype=np.float64))))
