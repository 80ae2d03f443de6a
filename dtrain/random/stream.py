"""The stream that all random numbers are drawn from: MT19937's words, and where it stands.

PyTorch's generator has a second memory beside the words: normal numbers are made in pairs, and
where they are drawn one by one, the second of a pair waits for the next draw.

Source: Matsumoto and Nishimura 1998; PyTorch, ATen: core/MT19937RNGEngine.h, CPUGeneratorImpl.cpp.
"""

import secrets
from typing import Any, Self

import numpy as np

from dtrain.autograd.value import Array, Value

DEFAULT_SEED = 67280421310721  # PyTorch's default for a generator that nobody seeded
_LENGTH = 624  # words of MT19937's state
_MASK_53 = np.uint64((1 << 53) - 1)

# What torch.Generator.get_state() returns, byte by byte.
STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),  # words to draw until the state is renewed, plus one
        ("seeded", "<i4"),
        ("next", "<u8"),  # index of the next word
        ("key", "<u8", _LENGTH),
        ("unused_x", "<f8"),
        ("normal", "<f8"),
        ("unused_rho", "<f8"),
        ("normal_waits", "<i8"),
        ("unused_float_normal", "<f8"),
    ]
)


class Stream:
    """Words, and the normal number that waits."""

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self._bits = np.random.MT19937()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Self:
        """Start again from a 64-bit seed, of which MT19937 takes the low 32 bits.

        Raises RuntimeError for what is no integer, ValueError for one beyond 64 bits.
        """
        if not isinstance(seed, int | np.integer):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError("Overflow when unpacking long long")
        self._seed = int(seed) % (1 << 64)
        legacy: Any = self._bits  # its type stubs leave this method out
        legacy._legacy_seeding(self._seed & 0xFFFFFFFF)
        self._normal: float | None = None
        return self

    def initial_seed(self) -> int:
        """The seed that the stream was last started from."""
        return self._seed

    def seed(self) -> int:
        """Start again from a seed that nobody knows before; returns it."""
        return self.manual_seed(secrets.randbits(64)).initial_seed()

    def snapshot(self) -> Any:
        """Where the stream stands, for `restore`: `get_state` without the conversion."""
        return self._seed, self._bits.state, self._normal

    def restore(self, snapshot: Any) -> None:
        """Go back to where the stream stood at `snapshot`."""
        self._seed, self._bits.state, self._normal = snapshot

    def get_state(self) -> Value:
        """Where the stream stands, as PyTorch's 5056 bytes: a uint8 tensor."""
        state: Any = self._bits.state
        position, key = state["state"]["pos"], state["state"]["key"]
        record = np.zeros((), STATE)
        record["seed"], record["seeded"], record["key"] = self._seed, 1, key
        fresh = position == _LENGTH and int(key[0]) == self._seed & 0xFFFFFFFF
        record["next"], record["left"] = (0, 1) if fresh else (position, _LENGTH + 1 - position)
        if self._normal is not None:
            record["normal"], record["normal_waits"] = self._normal, 1
        return Value.result(np.frombuffer(record.tobytes(), np.uint8).copy())

    def set_state(self, new_state: Any) -> None:
        """Go to where a stream, of dtrain or of PyTorch, stood at `get_state`.

        Raises TypeError for what is no uint8 tensor, RuntimeError for bytes that are no state.
        """
        record = _record(new_state)
        key = record["key"].astype(np.uint32)
        position = _LENGTH + 1 - int(record["left"])
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
        self._seed = int(record["seed"])
        self._normal = float(record["normal"]) if record["normal_waits"] else None

    def words(self, count: int) -> Array:
        """The next `count` 32-bit words, as uint64."""
        words: Array = self._bits.random_raw(count)
        return words

    def words64(self, count: int) -> Array:
        """The next `count` 64-bit words, each of two words, high one first."""
        words = self.words(2 * count)
        high: Array = words[0::2] << np.uint64(32)
        high |= words[1::2]
        return high

    def units(self, count: int) -> Array:
        """The next `count` float64 in [0, 1): the low 53 bits of 64-bit words."""
        units: Array = (self.words64(count) & _MASK_53) * 2.0**-53
        return units


def _record(state: Any) -> Any:
    array = getattr(state, "_array", state)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected a torch.ByteTensor, but got {type(state).__name__}")
    if array.dtype != np.uint8:
        raise TypeError("RNG state must be a torch.ByteTensor")
    if array.size != STATE.itemsize:
        raise RuntimeError(
            f"Expected a CPUGeneratorImplState of size {STATE.itemsize} "
            f"but found the input RNG state size to be {array.size}"
        )
    record = np.frombuffer(array.tobytes(), STATE)[0]
    if record["seeded"] != 1 or not 0 < record["left"] <= _LENGTH or record["next"] > _LENGTH:
        raise RuntimeError("Invalid mt19937 state")
    return record
