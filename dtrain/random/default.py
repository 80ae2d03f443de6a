"""The generator that draws when none is named, and PyTorch's functions for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dtrain import overlap
from dtrain.autograd.value import Value
from dtrain.random.generator import Generator


class _Default(Generator):
    """The generator of the leaf that is computed: other threads may not use it while one of them
    reads ahead, see `dtrain.overlap`."""

    @property
    def _bits(self) -> Any:  # every use of the stream goes through it
        overlap.require_owner()
        return self._words

    @_bits.setter
    def _bits(self, bits: Any) -> None:
        self._words = bits

    def initial_seed(self) -> int:
        overlap.require_owner()
        return super().initial_seed()


default_generator: Generator = _Default()


def chosen(generator: Generator | None) -> Generator:
    """The generator that was named, or the default one. Raises TypeError for anything else."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"generator must be a Generator, not {type(generator).__name__}")
    return generator


def manual_seed(seed: int) -> Generator:
    """Seed the default generator; returns it."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator with a number that nobody knows before; returns it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Value:
    """Where the default generator stands: a uint8 tensor of PyTorch's layout."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Put the default generator where one stood at `get_rng_state`, in dtrain or in PyTorch."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, device_type: str = "cpu") -> Iterator[None]:
    """What is drawn inside leaves the default generator where it stood.

    `devices` and `device_type` name further generators in PyTorch; here there is this one.
    """
    before = default_generator.snapshot()
    try:
        yield
    finally:
        if enabled:
            default_generator.restore(before)
