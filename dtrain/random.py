"""PyTorch's CPU random numbers: the same seed draws the same bits.

The stream is MT19937's 32-bit words. A float32 uniform takes the low 24 bits of one word, a float64
uniform the low 53 bits of two (high word first). The range [low, high) is reached by one fused
multiply-add, as PyTorch's vector code does it.

Source: Matsumoto and Nishimura 1998; PyTorch, ATen/core: MT19937RNGEngine.h and
TransformationHelper.h.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import default_float
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import Array

DEFAULT_SEED = 67280421310721  # PyTorch's default for a generator that nobody seeded


class Generator:
    """One stream of PyTorch's CPU generator."""

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self._bits = np.random.MT19937()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> "Generator":
        """Start again from a 64-bit seed, of which MT19937 takes the low 32 bits."""
        self._seed = int(seed) % (1 << 64)
        legacy: Any = self._bits  # its type stubs leave this method out
        legacy._legacy_seeding(self._seed & 0xFFFFFFFF)
        return self

    def initial_seed(self) -> int:
        """The seed that the stream was last started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Where the stream stands; for `set_state`."""
        return {"seed": self._seed, "bits": self._bits.state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to where the stream stood at `get_state`."""
        self._seed = state["seed"]
        self._bits.state = state["bits"]

    def words(self, count: int) -> Array:
        """The next `count` 32-bit words, as uint64."""
        words: Array = self._bits.random_raw(count)
        return words

    def uniform(
        self, shape: Sequence[int], low: float = 0.0, high: float = 1.0, dtype: Any = default_float
    ) -> Array:
        """Uniform draws in [low, high), float32 or float64, in C order."""
        size = int(np.prod(shape))
        if np.dtype(dtype) == np.float64:
            words = self.words(2 * size)
            bits = (words[0::2] << np.uint64(32) | words[1::2]) & np.uint64((1 << 53) - 1)
            flat = _fma64(bits * 2.0**-53, high - low, low)
        else:
            unit = (self.words(size) & np.uint64((1 << 24) - 1)) * 2.0**-24
            span = np.float32(high) - np.float32(low)
            # 24 by 24 bits fit into a float64, so that only the last cast rounds
            flat = (unit * np.float64(span) + np.float64(np.float32(low))).astype(np.float32)
        array: Array = flat.reshape(tuple(shape))
        return array

    def permutation(self, n: int) -> Array:
        """A permutation of 0 ... n-1, int64: PyTorch's `randperm` for n < 2^32 / 20."""
        order = np.arange(n)
        for at, word in enumerate(self.words(max(n - 1, 0)).tolist()):
            other = at + word % (n - at)
            order[at], order[other] = order[other], order[at]
        return order


def _fma64(x: Array, factor: float, term: float) -> Any:
    """x * factor + term, rounded once. Source: Dekker 1971 (product), Knuth (sum)."""
    if factor == 1.0 and term == 0.0:
        return x
    product = x * factor
    x_high, factor_high = _upper_half(x), _upper_half(np.float64(factor))
    x_low, factor_low = x - x_high, factor - factor_high
    error = x_low * factor_low - (
        ((product - x_high * factor_high) - x_low * factor_high) - x_high * factor_low
    )
    total = product + term
    part = total - product
    return total + (error + ((product - (total - part)) + (term - part)))


def _upper_half(x: Any) -> Any:
    """The upper 26 bits of a float64."""
    shifted = x * 134217729.0  # 2^27 + 1
    return shifted - (shifted - x)


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator; returns it."""
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform draws in [0, 1) of a shape; PyTorch's numbers."""
    shape = size[0] if len(size) == 1 and isinstance(size[0], Sequence) else size
    array = (generator or default_generator).uniform(shape, dtype=dtype or default_float)
    return Tensor(array, requires_grad)


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """A random permutation of 0 ... n-1, int64; PyTorch's numbers."""
    return Tensor((generator or default_generator).permutation(n))
