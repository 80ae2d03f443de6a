"""Tensors of random numbers: PyTorch's functions.

They take PyTorch's arguments: a size as `f(2, 3)`, `f((2, 3))` or `f(size=(2, 3))`; `generator`,
the default one if not given; `dtype`, `requires_grad`; `device` and `layout`, of which there is one
each; `pin_memory`, which changes nothing here.

Raises, all of them: TypeError for what is no size, RuntimeError for a negative one, for another
layout, and for integers with a gradient; AssertionError for another device, NotImplementedError for
a dtype without such numbers.
"""

from typing import Any

import numpy as np

from dtrain.autograd.dtypes import result_dtype
from dtrain.autograd.ops.chance import drawn
from dtrain.autograd.value import Array, Value
from dtrain.random import checks, order
from dtrain.random.arguments import array_of, checked_size, float_kind, integer, kind_of, size_of
from dtrain.random.categories import multinomial as _multinomial
from dtrain.random.counts import poisson as _poisson
from dtrain.random.default import chosen
from dtrain.random.generator import Generator

Source = Generator | None

# fmt: off

def rand(
    *sizes: Any, size: Any = None, generator: Source = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Value:
    """Uniform in [0, 1)."""
    kind = float_kind(dtype, requires_grad, device, layout)
    checks.require_float(kind.dtype, "check_uniform_bounds")
    return kind.tensor(chosen(generator).uniform(size_of(sizes, size), dtype=kind.dtype))


def randn(
    *sizes: Any, size: Any = None, generator: Source = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Value:
    """Normal, of mean 0 and standard deviation 1."""
    kind = float_kind(dtype, requires_grad, device, layout)
    checks.require_float(kind.dtype, "normal_kernel_cpu")
    return kind.tensor(chosen(generator).normal(size_of(sizes, size), dtype=kind.dtype))


def randint(
    *bounds: Any, low: Any = None, high: Any = None, size: Any = None, generator: Source = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Value:
    """Integers: `randint(high, size)` in [0, high), `randint(low, high, size)` in [low, high).

    Raises RuntimeError for an empty range, and for one that the dtype does not hold.
    """
    kind = kind_of(np.int64 if dtype is None else dtype, requires_grad, device, layout)
    first, last, shape = _integer_arguments(bounds, low, high, size)
    span = checks.require_integers(first, last, kind.dtype)
    return kind.tensor(chosen(generator).randint(*span, checked_size(shape), kind.dtype))


def randperm(
    n: int, *, generator: Source = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Value:
    """A permutation of 0 ... n-1. Raises RuntimeError for a dtype that does not hold these."""
    kind = kind_of(np.int64 if dtype is None else dtype, requires_grad, device, layout)
    [n] = checked_size((n,))
    if kind.dtype.kind == "b":
        raise NotImplementedError("\"randperm\" not implemented for 'Bool'")
    if n - 1 > checks.integers(kind.dtype)[1]:
        raise RuntimeError(f"{kind.dtype.name} does not hold the integers up to {n - 1}")
    return kind.tensor(chosen(generator).permutation(n))


def rand_like(
    input: Value, *, generator: Source = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
    memory_format: Any = None,
) -> Value:
    """Uniform in [0, 1), in the shape, the dtype and the memory order of a tensor."""
    array = _model(input, memory_format)
    kind = kind_of(array.dtype if dtype is None else dtype, requires_grad, device, layout)
    checks.require_float(kind.dtype, "check_uniform_bounds")
    draws = chosen(generator)
    return kind.tensor(
        order.like(array, lambda shape: draws.uniform(shape, dtype=kind.dtype), kind.dtype)
    )


def randn_like(
    input: Value, *, generator: Source = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
    memory_format: Any = None,
) -> Value:
    """Normal, in the shape, the dtype and the memory order of a tensor."""
    array = _model(input, memory_format)
    kind = kind_of(array.dtype if dtype is None else dtype, requires_grad, device, layout)
    checks.require_float(kind.dtype, "normal_kernel_cpu")
    draws = chosen(generator)
    draw = draws.normal if order.is_plain(array) else draws.normal_singly
    return kind.tensor(order.like(array, lambda shape: draw(shape, dtype=kind.dtype), kind.dtype))


def randint_like(
    input: Value, *bounds: Any, low: Any = None, high: Any = None, generator: Source = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False, memory_format: Any = None,
) -> Value:
    """Integers in [0, high) or [low, high), in the shape and the dtype of a tensor."""
    array = _model(input, memory_format)
    kind = kind_of(array.dtype if dtype is None else dtype, requires_grad, device, layout)
    first, last, _ = _integer_arguments((*bounds, array.shape), low, high, None)
    span = checks.require_integers(first, last, kind.dtype)
    draws = chosen(generator)
    return kind.tensor(
        order.like(array, lambda shape: draws.randint(*span, shape, kind.dtype), kind.dtype)
    )

# fmt: on


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Source = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Value:
    """Normal: of the means and standard deviations of tensors, or of two numbers and with a size.

    A tensor of means decides on the dtype, else one of standard deviations; the gradient of both
    is zero. Raises RuntimeError for a negative standard deviation, TypeError for numbers without a
    size and for tensors with one.
    """
    draws = chosen(generator)
    if not isinstance(mean, Value) and not isinstance(std, Value):
        if size is None:
            raise TypeError("normal() of two numbers needs a size: normal(0.0, 1.0, (2, 3))")
        kind = float_kind(dtype, requires_grad, device, layout)
        checks.require_std(float(std))
        checks.require_float(kind.dtype, "normal_kernel_cpu")
        return kind.tensor(draws.normal(checked_size(size), float(mean), float(std), kind.dtype))
    if size is not None:
        raise TypeError("normal() takes a size for two numbers only, not for tensors")
    parts = [each._array if isinstance(each, Value) else float(each) for each in (mean, std)]
    result: Value = drawn(mean, std, draws=_normal(draws, *parts))
    return result


def _normal(draws: Generator, mean: Any, std: Any) -> Array:
    """In PyTorch's order of operations, each in the dtype of the result."""
    checks.require_std(std)
    dtype = mean.dtype if isinstance(mean, np.ndarray) else std.dtype
    checks.require_float(dtype, "normal_kernel_cpu")
    if not isinstance(std, np.ndarray):
        return _changed(np.add, draws.normal(mean.shape, 0.0, std, dtype), mean)
    out = draws.normal(_broadcast(np.shape(mean), std.shape), dtype=dtype)
    return _changed(np.add, _changed(np.multiply, out, std), mean)


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise RuntimeError(f"normal: {error}") from None


def _changed(function: Any, out: Array, other: Any) -> Array:
    """out.mul_(other), out.add_(other): computed in the common dtype, kept in that of `out`."""
    common = result_dtype([out, other])
    other = np.asarray(other, common)
    result: Array = function(out.astype(common, copy=False), other).astype(out.dtype, copy=False)
    return result


def bernoulli(input: Value, p: float | None = None, *, generator: Source = None) -> Value:
    """1 with the probability that an element of the input is, or with probability p; else 0.

    Has the input's shape and dtype; its gradient is zero. Raises RuntimeError for probabilities
    outside [0, 1].
    """
    array, draws = array_of(input, "input"), chosen(generator)
    each: Any = array if p is None else float(p)
    checks.require_probability(each)
    result: Value = drawn(input, None, draws=draws.bernoulli(array.shape, each, array.dtype))
    return result


def multinomial(
    input: Value, num_samples: int, replacement: bool = False, *, generator: Source = None
) -> Value:
    """Indices drawn by weight, int64: see `categories`."""
    weights = array_of(input, "input")
    return Value.result(
        _multinomial(chosen(generator), weights, integer(num_samples, "num_samples"), replacement)
    )


def poisson(input: Value, generator: Source = None) -> Value:
    """A Poisson number for each rate, in the dtype of the rates; about a microsecond a uniform.

    Raises RuntimeError for a negative rate.
    """
    draws = _poisson(chosen(generator), array_of(input, "input"))
    result: Value = drawn(input, None, draws=draws)
    return result


def _integer_arguments(
    bounds: tuple[Any, ...], low: Any, high: Any, size: Any
) -> tuple[int, int, Any]:
    """(low, high, size) of (high, size), (low, high, size), or any of these by name."""
    given = list(bounds)
    if size is None and given:
        size = given.pop()
    if high is None and given:
        high = given.pop()
    if low is None:
        low = given.pop() if given else 0
    if given or high is None or size is None:
        raise TypeError("randint() takes (high, size) or (low, high, size), in order or by name")
    return integer(low, "low"), integer(high, "high"), size


def _model(input: Value, memory_format: Any) -> Array:
    """The array whose memory order the result has."""
    array = array_of(input, "input")
    if memory_format is not None and "contiguous" in str(memory_format):
        return np.empty(array.shape, array.dtype)
    return array
