"""Drawing categories by weight.

Source: PyTorch, ATen/native: Distributions.cpp (without replacement: the n greatest of weight / e,
e exponential), cpu/MultinomialKernel.cpp (with replacement: the cumulative sums, searched).
"""

import numpy as np

from dtrain.autograd.value import Array
from dtrain.random import order
from dtrain.random.generator import Generator


def multinomial(generator: Generator, weights: Array, count: int, replacement: bool) -> Array:
    """Indices of `count` categories for each row of weights, int64.

    Shapes:  weights (c) or (n, c), float, not negative, of a sum above 0 -> (count) or (n, count).
    Raises:  RuntimeError for other shapes, dtypes and weights, and for more draws without
             replacement than there are categories.
    """
    _check(weights, count, replacement)
    if weights.ndim == 2 and not len(weights):
        return np.empty((0, count), np.int64)
    if not weights.size:
        raise _invalid("sum of probabilities <= 0")
    if replacement and count > 1:
        rows = [_searched(generator, row, count) for row in np.atleast_2d(weights)]
        return np.reshape(np.stack(rows), (*weights.shape[:-1], count))
    return _greatest(generator, weights, count)


def _greatest(generator: Generator, weights: Array, count: int) -> Array:
    if not (weights.max() < np.inf and weights.min() >= 0):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (weights.sum(axis=-1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    rates = order.like(weights, lambda shape: generator.exponential(shape, 1.0, weights.dtype))
    with np.errstate(all="ignore"):
        ratio = weights / rates
    if count == 1:
        chosen: Array = np.argmax(ratio, axis=-1, keepdims=True)
        return chosen
    return np.argsort(-ratio, axis=-1, kind="stable")[..., :count]


def _searched(generator: Generator, weights: Array, count: int) -> Array:
    if (weights < 0).any():
        raise _invalid("encountering probability entry < 0")
    if not np.isfinite(weights).all():
        raise _invalid("encountering probability entry = infinity or NaN")
    total = np.add.accumulate(weights)
    if not total[-1] > 0:
        raise _invalid("sum of probabilities <= 0")
    total /= total[-1]
    total[-1] = 1
    return np.searchsorted(total.astype(np.float64), generator.units(count)).astype(np.int64)


def _check(weights: Array, count: int, replacement: bool) -> None:
    if not 1 <= weights.ndim <= 2:
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if weights.dtype.kind != "f":
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {weights.dtype}"
        )
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and count > weights.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )


def _invalid(why: str) -> RuntimeError:
    return RuntimeError(f"invalid multinomial distribution ({why})")
