"""Generator: PyTorch's distributions over one stream, as NumPy arrays.

A draw takes from the stream exactly what PyTorch 2.13 takes for it on a CPU:

    uniform, float32             one word: its low 24 bits
    uniform, float64             two words, high one first: their low 53 bits
    normal, 16 or more           uniforms of its dtype, 16 at a time: see `boxmuller`; where 16 does
                                 not divide the size, 16 more, from which the last 16 are made anew
    normal, fewer than 16        pairs of float64 uniforms; the second normal of a pair waits
    integers                     one word for a range below 2^28, else two
    bernoulli, one p             a float64 uniform, below p
    bernoulli, each its p        a uniform of p's dtype
    exponential, geometric,
    cauchy                       a float64 uniform
    log_normal                   as fewer than 16 normals

PyTorch before 2.13 asked Intel's MKL for some of these, on Intel's processors, and had other
numbers there. What is left of the machine in PyTorch 2.13 is the last bit of logarithms, sines and
cosines.

Source: PyTorch, ATen: core/DistributionsHelper.h and TransformationHelper.h,
native/cpu/DistributionTemplates.h.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.device import CPU, require_cpu
from dtrain.autograd.value import Array
from dtrain.random import boxmuller, checks, elementary
from dtrain.random.stream import DEFAULT_SEED, Stream

_MASK_24, _MASK_53 = np.uint64((1 << 24) - 1), np.uint64((1 << 53) - 1)
_TWO_WORDS = 1 << 28  # ranges from here on take 64 bits, so that all values are about as likely
_MANY = (1 << 32) // 20  # permutations from here on too
Shape = Sequence[int]


class Generator(Stream):
    """One stream of PyTorch's CPU generator.

    `Generator()` and `Generator("cpu")` start from PyTorch's default seed, `Generator(3)` from 3.
    Raises AssertionError for another device.
    """

    device = CPU

    def __init__(self, device: Any = "cpu") -> None:
        is_seed = isinstance(device, int)
        if not is_seed:
            require_cpu(device)
        super().__init__(device if is_seed else DEFAULT_SEED)

    def clone_state(self) -> "Generator":
        """Another generator that stands where this one stands."""
        other = Generator()
        other.restore(self.snapshot())
        return other

    def uniform(
        self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Any = np.float32
    ) -> Array:
        """Uniform draws in [low, high), float32 or float64; u * (high - low) + low rounded once."""
        size = math.prod(shape)
        if _width(dtype) == 8:
            flat = elementary.multiply_add(self.units(size), high - low, low)
        else:
            low, high = float(np.float32(low)), float(np.float32(high))
            span = float(np.float32(high - low))
            # 24 by 24 bits fit into a float64, so that only the last cast rounds
            flat = (((self.words(size) & _MASK_24) * (2.0**-24 * span)) + low).astype(np.float32)
        flat[flat == high] = low  # rounding may reach the bound that is to be left out
        return np.reshape(flat, tuple(shape))

    @np.errstate(all="ignore")
    def normal(
        self, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32
    ) -> Array:
        """Normal draws, float32 or float64, as PyTorch fills a contiguous tensor."""
        size, group = math.prod(shape), boxmuller.GROUP
        if size < group:
            return self.normal_singly(shape, mean, std, dtype)
        uniforms = self.uniform((size,), dtype=dtype)
        whole = size - size % group
        flat = boxmuller.normals(uniforms[:whole], mean, std)
        if whole < size:
            last = boxmuller.normals(self.uniform((group,), dtype=dtype), mean, std)
            flat = np.concatenate([flat[: size - group], last])
        return flat.reshape(tuple(shape))

    @np.errstate(all="ignore")
    def normal_singly(
        self, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32
    ) -> Array:
        """Normal draws as PyTorch fills a small or a non-contiguous tensor."""
        _width(dtype)
        flat = elementary.multiply_add(self._normals(math.prod(shape)), std, mean)
        return np.reshape(flat, tuple(shape)).astype(dtype, copy=False)

    def _normals(self, size: int) -> Array:
        """Standard normal numbers in float64, the waiting one first; one may be left to wait."""
        waiting = [] if self._normal is None or not size else [self._normal]
        units = self.units(2 * ((size - len(waiting) + 1) // 2))
        pairs = np.stack(boxmuller.polar64(units[1::2], units[0::2], 0.0, 1.0), axis=1)
        made = np.concatenate([waiting, pairs.ravel()])
        if size:
            self._normal = float(made[-1]) if len(made) > size else None
        return made[:size]

    def randint(self, low: int, high: int, shape: Shape, dtype: Any = np.int64) -> Array:
        """Integers in [low, high), in any dtype; -2^63 <= low < high <= 2^63."""
        span, size = high - low, math.prod(shape)
        words = self.words64(size) if span >= _TWO_WORDS else self.words(size)
        integers = words.view(np.int64)
        if span < 1 << 64:
            integers = (words % np.uint64(span)).view(np.int64) + np.int64(low)  # modulo 2^64
        return integers.reshape(tuple(shape)).astype(dtype, copy=False)

    def bits(self, shape: Shape, dtype: Any = np.int64) -> Array:
        """Integers from 0 on, as many as the dtype holds: PyTorch's `random_` without a range."""
        kind = np.dtype(dtype)
        count = checks.integers(kind)[1] + 1
        size = math.prod(shape)
        words = self.words64(size) if kind in (np.int64, np.float64) else self.words(size)
        return (words % np.uint64(count)).reshape(tuple(shape)).astype(kind)

    def bernoulli(self, shape: Shape, p: Any = 0.5, dtype: Any = np.float32) -> Array:
        """1 with probability p, else 0. p: one number, or an array that broadcasts to the shape."""
        size = math.prod(shape)
        if not isinstance(p, np.ndarray):
            words = self.words64(size) & _MASK_53
            below = words < np.uint64(math.ceil(p * 2.0**53))
        else:
            units = self.uniform((size,), dtype=p.dtype)
            below = units < np.broadcast_to(p, tuple(shape)).ravel()
        return below.reshape(tuple(shape)).astype(dtype, copy=False)

    @np.errstate(all="ignore")
    def exponential(self, shape: Shape, rate: float = 1.0, dtype: Any = np.float32) -> Array:
        """-log(1 - u) / rate."""
        out = elementary.log(1.0 - self.units(math.prod(shape))) * (-1.0 / rate)
        return out.reshape(tuple(shape)).astype(dtype, copy=False)

    @np.errstate(all="ignore")
    def geometric(self, shape: Shape, p: float, dtype: Any = np.float32) -> Array:
        """Trials until the first success: ceil(log(u) / log(1 - p))."""
        out = elementary.log(self.units(math.prod(shape))) / elementary.log1p(-p)
        return np.ceil(out).reshape(tuple(shape)).astype(dtype, copy=False)

    @np.errstate(all="ignore")
    def cauchy(
        self, shape: Shape, median: float = 0.0, sigma: float = 1.0, dtype: Any = np.float32
    ) -> Array:
        """median + sigma tan(pi (u - 1/2))."""
        cos, sin = elementary.cos_sin(math.pi * (self.units(math.prod(shape)) - 0.5))
        out = elementary.multiply_add(sin / cos, sigma, median)
        return np.reshape(out, tuple(shape)).astype(dtype, copy=False)

    @np.errstate(all="ignore")
    def log_normal(
        self, shape: Shape, mean: float = 1.0, std: float = 2.0, dtype: Any = np.float32
    ) -> Array:
        """exp of normal draws."""
        normals = self.normal_singly(shape, mean, std, np.float64)
        return elementary.exp(normals).astype(dtype, copy=False)

    def permutation(self, n: int) -> Array:
        """A permutation of 0 ... n-1, int64: PyTorch's `randperm`.

        Source: Fisher and Yates 1938, in the two forms that PyTorch has for few and for many.
        """
        order = list(range(n))
        if n < _MANY:
            left = np.arange(n, 1, -1).astype(np.uint64)
            for i, step in enumerate((self.words(len(left)) % left).tolist()):
                order[i], order[i + step] = order[i + step], order[i]
        else:
            made = np.arange(1, n + 1).astype(np.uint64)
            for i, j in enumerate((self.words64(n) % made).tolist()):
                order[i], order[j] = order[j], i
        return np.array(order, np.int64)


def _width(dtype: Any) -> int:
    """Bytes of float32 or float64; there are no draws in other dtypes."""
    kind = np.dtype(dtype)
    if kind not in (np.float32, np.float64):
        raise NotImplementedError(f"there are no uniform or normal numbers in {kind}")
    return int(kind.itemsize)
