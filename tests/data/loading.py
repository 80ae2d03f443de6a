"""Datasets for the tests of loaders, at the top of a module so that any worker can import them."""

import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

import dtrain
from dtrain.data import Dataset, IterableDataset, get_worker_info


class Squares(Dataset[tuple[Any, int]]):
    """Sample i is ([i, i*i], i)."""

    def __init__(self, n: int = 20) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return np.array([index, index * index], "float32"), index


class Large(Squares):
    """More bytes than a pipe holds."""

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return np.full(100_000, index, "float32"), index


class Odd(Squares):
    """At sample 7 something happens."""

    def __init__(self, what: str, n: int = 20) -> None:
        super().__init__(n)
        self.what = what

    def __getitem__(self, index: int) -> Any:
        if index == 7:
            return HAPPENINGS[self.what]()
        return super().__getitem__(index)


class TwoArguments(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(first, second)


def _raise(error: BaseException) -> Any:
    raise error


def _local() -> Any:
    class Local(Exception):
        pass

    raise Local("of a class that has no place")


HAPPENINGS: dict[str, Any] = {
    "key": lambda: _raise(KeyError("two\nlines")),
    "two": lambda: _raise(TwoArguments("a", "b")),
    "local": _local,
    "unpicklable": lambda: (lambda: 0, 0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
    "sys.exit": lambda: sys.exit(4),
    "hang": lambda: threading.Event().wait(1000),
}


class Draws(Squares):
    """Sample i is what the three global generators draw in its place."""

    def __getitem__(self, index: int) -> Any:
        return random.random(), np.random.rand(), float(dtrain.rand(1).item()), index


class Info(Squares):
    """Sample i is (worker, workers, seed, length of the copy)."""

    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        assert info is not None
        return info.id, info.num_workers, info.seed, len(info.dataset)


class Counting(IterableDataset[int]):
    """0 ... n-1; with workers, each gives its own part, or all of it if `alike`."""

    def __init__(self, n: int, alike: bool = False) -> None:
        self.n, self.alike = n, alike

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        if info is None or self.alike:
            return iter(range(self.n))
        return iter(range(info.id, self.n, info.num_workers))


def shift(worker: int) -> None:
    """A worker_init_fn: let the copy of a dataset begin later."""
    info = get_worker_info()
    assert info is not None
    info.dataset.n += 100 * worker


def fail(worker: int) -> None:
    """A worker_init_fn that fails."""
    raise LookupError(f"no licence for {worker}")


def drop_missing(samples: list[Any]) -> Any:
    """A collate_fn that leaves out what could not be read."""
    return dtrain.data.default_collate([sample for sample in samples if sample is not None])


def plain(batch: Any) -> Any:
    """A batch with lists in place of tensors."""
    if isinstance(batch, dtrain.Tensor):
        return batch.tolist()
    if isinstance(batch, list | tuple):
        return [plain(part) for part in batch]
    return batch
