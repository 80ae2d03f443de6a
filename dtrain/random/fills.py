"""Tensors filled with random numbers in place: PyTorch's methods whose names end in `_`.

Each takes the tensor, whatever its strides, and returns it. Elements are drawn in the order in
which PyTorch visits them (see `order`). What the tensor was before gets a gradient of zeros.

Raises, all of them: RuntimeError for a leaf that requires a gradient, while gradients are recorded;
NotImplementedError for a dtype that has no such numbers.
"""

from typing import Any, TypeVar

import numpy as np

from dtrain.autograd.inplace import assign, require_writable, shadow
from dtrain.autograd.modes import is_grad_enabled
from dtrain.autograd.ops.chance import drawn
from dtrain.autograd.value import Array, Value
from dtrain.random import checks, order
from dtrain.random.default import chosen
from dtrain.random.generator import Generator

__all__ = [
    "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_",
    "uniform_",
]  # fmt: skip

Target = TypeVar("Target", bound=Value)
_LEAST = -(1 << 63)


def uniform_(
    input: Target, from_: Any = 0.0, to: Any = 1.0, *, generator: Generator | None = None
) -> Target:
    """Uniform in [from_, to). Raises RuntimeError for bounds that are no range of the dtype."""
    draws, dtype, low, high = chosen(generator), input._array.dtype, float(from_), float(to)
    checks.require_float(dtype, "check_uniform_bounds")
    checks.require_range(low, high, dtype)
    return _write(input, lambda shape: draws.uniform(shape, low, high, dtype))


def normal_(
    input: Target, mean: Any = 0.0, std: Any = 1.0, *, generator: Generator | None = None
) -> Target:
    """Normal. Raises RuntimeError for a negative std."""
    draws, dtype, centre, spread = chosen(generator), input._array.dtype, float(mean), float(std)
    checks.require_std(spread)
    checks.require_float(dtype, "normal_kernel_cpu")
    draw = draws.normal if input._array.flags.c_contiguous else draws.normal_singly
    return _write(input, lambda shape: draw(shape, centre, spread, dtype))


def random_(
    input: Target, *bounds: int | None, generator: Generator | None = None, **named: int | None
) -> Target:
    """Integers, in a tensor of any dtype.

        random_()             from 0, as many as the dtype holds exactly
        random_(to)           [0, to)
        random_(from, to)     [from, to)
        random_(from, None)   from there up to the greatest that the dtype holds exactly

    Raises RuntimeError for an empty range, and for one that the dtype does not hold.
    """
    draws, dtype = chosen(generator), input._array.dtype
    given = _bounds(bounds, named)
    if given is None:
        return _write(input, lambda shape: draws.bits(shape, dtype))
    low, high = _integers(*given, dtype)
    return _write(input, lambda shape: draws.randint(low, high, shape, dtype))


def bernoulli_(input: Target, p: Any = 0.5, *, generator: Generator | None = None) -> Target:
    """1 with probability p, else 0, in any dtype. p: a number, or a tensor for each its own.

    Raises RuntimeError for a p outside [0, 1], and for one that does not broadcast.
    """
    draws, dtype = chosen(generator), input._array.dtype
    each = p._array if isinstance(p, Value) else float(p)
    checks.require_probability(each)
    if isinstance(each, float):
        return _write(input, lambda shape: draws.bernoulli(shape, each, dtype))
    try:
        spread = np.broadcast_to(each, input._array.shape)
    except ValueError as error:
        raise RuntimeError(f"bernoulli_: {error}") from None
    axes = order.axes(input._array)
    return _write(input, lambda shape: draws.bernoulli(shape, spread.transpose(axes), dtype))


def exponential_(
    input: Target, lambd: float = 1.0, *, generator: Generator | None = None
) -> Target:
    """Exponential with rate lambd. Raises RuntimeError where that is not positive."""
    draws, dtype = chosen(generator), input._array.dtype
    checks.require_positive(lambd, "exponential_", "lambda")
    checks.require_continuous(dtype, "Exponential")
    return _write(input, lambda shape: draws.exponential(shape, lambd, dtype))


def geometric_(input: Target, p: float, *, generator: Generator | None = None) -> Target:
    """Trials until the first success. Raises RuntimeError for a p outside (0, 1)."""
    draws, dtype = chosen(generator), input._array.dtype
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    if dtype.kind == "b":
        raise NotImplementedError("\"geometric_cpu\" not implemented for 'Bool'")
    return _write(input, lambda shape: draws.geometric(shape, p, dtype))


def cauchy_(
    input: Target, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Target:
    """Cauchy. Raises RuntimeError where sigma is not positive."""
    draws, dtype = chosen(generator), input._array.dtype
    checks.require_positive(sigma, "cauchy_", "sigma")
    checks.require_continuous(dtype, "Cauchy")
    return _write(input, lambda shape: draws.cauchy(shape, median, sigma, dtype))


def log_normal_(
    input: Target, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Target:
    """exp of normal numbers. Raises RuntimeError where std is not positive."""
    draws, dtype = chosen(generator), input._array.dtype
    checks.require_positive(std, "log_normal_", "std")
    checks.require_float(dtype, "log_normal_cpu")
    return _write(input, lambda shape: draws.log_normal(shape, mean, std, dtype))


def _write(target: Target, draw: order.Draw) -> Target:
    _require_one_place_each(target._array)
    target.refresh()
    before = shadow(target) if is_grad_enabled() and target._requires_grad else None
    require_writable(target)
    order.fill(target._array, draw)
    if before is None:
        target._bump()
    else:
        assign(target, drawn(before, None, draws=target._array.copy()))
    return target


def _require_one_place_each(array: Array) -> None:
    """Raises RuntimeError for an expanded tensor, whose elements share memory."""
    if any(step == 0 and size > 1 for step, size in zip(array.strides, array.shape, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )


def _bounds(bounds: tuple[Any, ...], named: dict[str, Any]) -> tuple[int, int | None] | None:
    """(from, to) of all the ways to write them; None if there are none."""
    names = ("to",) if len(bounds) == 1 and not named else ("from", "to")
    given = dict(zip(names, bounds, strict=False)) | named
    low, high = given.pop("from", 0), given.pop("to", None)
    if given or len(bounds) > 2 or any(isinstance(each, bool | float) for each in (low, high)):
        raise TypeError(f"random_() takes (), (to) or (from, to), not {(*bounds, *named.items())}")
    return (int(low), None if high is None else int(high)) if bounds or named else None


def _integers(low: int, high: int | None, dtype: np.dtype[Any]) -> tuple[int, int]:
    if high is not None:
        return checks.require_integers(low, high, dtype)
    if low == _LEAST:
        if dtype.kind != "f" and dtype != np.int64:
            raise RuntimeError(f"random_ draws the full 64 bits not in {dtype.name}")
        return low, -low
    return checks.require_integers_from(low, dtype)
