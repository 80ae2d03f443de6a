"""Keyed randomness: every stream is a pure function of (seed, what it is for), on any machine.

    who draws                                   key parts after the seed
    ------------------------------------------  ------------------------------
    the order of an epoch's samples             "order", epoch
    a sample's augmentation, in __getitem__     "sample", epoch, index
    the same in evaluation, always alike        "eval-sample", index
    collate, the model, the loss of a leaf      "leaf", step, leaf
    the same in evaluation, always alike        "eval", leaf
    building the model and opening the data     "model"

A key is the SHA-256 of "dtrain" and the parts, each written as `i<decimal>;` for an integer or
`s<bytes of UTF-8>:<text>;` for a text, so that no two lists of parts are written alike. Its first
16 bytes, read little-endian, are the 128-bit key of a Philox4x64-10 generator at counter 0.

A leaf's, an evaluation leaf's and the model's scope also seed the global generators: `random`
from the key with the part "random" added, `numpy.random` with "numpy", dtrain's default generator
with "dtrain" (for the model: the seed itself, so that the same script starts from PyTorch's
weights). Their earlier states come back when the scope ends. Global generators belong to the
process: only one such scope may be open at a time, on the thread that computes; a thread that reads
samples ahead has none of them (see `dtrain.overlap`). `rng()` is thread-local, and scopes nest.
"""

import hashlib
import random
import threading
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dtrain import overlap
from dtrain.autograd.dtypes import get_default_dtype
from dtrain.random import default_generator

Part = int | str


def stream(seed: int, *key: Part) -> np.random.Generator:
    """The generator of a purpose: the same numbers for the same arguments, whoever asks."""
    return np.random.Generator(np.random.Philox(key=_number(16, seed, *key)))


def order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """The order of an epoch's n samples: a permutation of 0 ... n-1, shape (n,).

    Sorts n raw 64-bit draws, because raw draws are the one thing that NumPy promises never to
    change; equal draws (once in 10^5 epochs of 10^7 samples) stay in index order.
    """
    draws = stream(seed, "order", epoch).bit_generator.random_raw(n)
    return np.argsort(draws, kind="stable").astype(np.int64)


def rng() -> np.random.Generator:
    """The stream of whatever is running on this thread: a sample, a leaf or the model's making.

    Raises RuntimeError where nothing of a job is running: randomness is keyed, never ambient.
    """
    if not _open.scopes:
        raise RuntimeError(
            "dtrain.rng() belongs to a job's leaf, sample or model, and none is running here; "
            "to try such code by hand: with dtrain.keyed.sample_scope(seed, epoch, index): ..."
        )
    return _open.scopes[-1].rng()


def is_open() -> bool:
    """Whether a method of a job is running on this thread."""
    return bool(_open.scopes)


class Scope:
    """While it is open, `rng()` on this thread gives the stream of this key."""

    def __init__(self, seed: int, *key: Part) -> None:
        self.seed, self.key = seed, key
        self._rng: np.random.Generator | None = None

    def rng(self) -> np.random.Generator:
        """The stream, made when it is first asked for: most samples draw nothing."""
        if self._rng is None:
            self._rng = stream(self.seed, *self.key)
        return self._rng

    def __enter__(self) -> "Scope":
        _open.scopes.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _open.scopes.remove(self)


class NoScope(Scope):
    """Around samples that are read ahead: the leaf's own stream is not to be had there."""

    def __init__(self) -> None:
        super().__init__(0)

    def rng(self) -> np.random.Generator:
        overlap.refuse()


class SeedingScope(Scope):
    """A scope that also seeds the global generators, and puts their states back at the end."""

    _before: tuple[Any, Any, Any]

    def default_seed(self) -> int:
        """What dtrain's default generator is seeded with."""
        return _number(8, self.seed, *self.key, "dtrain")

    def __enter__(self) -> "SeedingScope":
        self._before = (random.getstate(), np.random.get_state(), default_generator.snapshot())
        random.seed(_number(16, self.seed, *self.key, "random"))
        words = np.frombuffer(_digest(self.seed, *self.key, "numpy")[:16], "<u4")
        np.random.seed(words.astype(np.uint32))
        default_generator.manual_seed(self.default_seed())
        super().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        python, numpy, dtrain = self._before
        random.setstate(python)
        np.random.set_state(numpy)
        default_generator.restore(dtrain)


class ModelScope(SeedingScope):
    """The scope in which the model is made: the default generator has the job's own seed."""

    def default_seed(self) -> int:
        return self.seed


def sample_scope(seed: int, epoch: int | None, index: int) -> Scope:
    """For one `__getitem__(index)`; epoch None means evaluation, which is alike every time."""
    if epoch is None:
        return Scope(seed, "eval-sample", index)
    return Scope(seed, "sample", epoch, index)


def leaf_scope(seed: int, step: int, leaf: int) -> Scope:
    """For one training leaf: fetching, collate, forward, backward."""
    return SeedingScope(seed, "leaf", step, leaf)


def eval_scope(seed: int, leaf: int) -> Scope:
    """For one evaluation leaf: the same numbers at every evaluation."""
    return SeedingScope(seed, "eval", leaf)


def model_scope(seed: int) -> Scope:
    """For making the model and the optimizer, and for opening the data."""
    return ModelScope(seed, "model")


def ambient() -> tuple[Any, ...]:
    """Where what belongs to the process, and not to a thread, stands: Python's and NumPy's global
    generators, and the default dtype, last. Equal if nobody used them in between."""
    numpy: Any = np.random.get_state()  # as a tuple; its type stubs think of a dict too
    name, words, *rest = numpy
    return random.getstate(), name, words.tobytes(), *rest, get_default_dtype()


class _Open(threading.local):
    """The scopes that are open on this thread, innermost last."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []


_open = _Open()


def _digest(seed: int, *key: Part) -> bytes:
    return hashlib.sha256(b"dtrain" + b"".join(map(_written, (seed, *key)))).digest()


def _number(size: int, seed: int, *key: Part) -> int:
    """The first `size` bytes of the key's hash, as one unsigned integer."""
    return int.from_bytes(_digest(seed, *key)[:size], "little")


def _written(part: Part) -> bytes:
    if isinstance(part, str):
        text = part.encode()
        return b"s%d:%s;" % (len(text), text)
    return b"i%d;" % int(part)
