"""Samplers: the indices of samples, or lists of them, in the order in which they are read.

Random orders are PyTorch's for the same seed: the same draws, of the same generator, made when the
first index is asked for.
"""

import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from dtrain.autograd import Tensor, wrap
from dtrain.random import Generator, multinomial
from dtrain.random.default import chosen

T = TypeVar("T", covariant=True)

DRAWN_TOGETHER = 32  # indices with replacement, as PyTorch draws them


def draw_seed(generator: Generator | None = None) -> int:
    """A seed in [0, 2^63), drawn from a generator or else the default one.

    The number of PyTorch's `torch.empty((), dtype=torch.int64).random_(generator=generator)`.
    """
    return int(chosen(generator).bits(()))


def permutation(n: int, generator: Generator | None = None) -> list[int]:
    """0 ... n-1 in a random order: PyTorch's `torch.randperm(n, generator=generator).tolist()`."""
    order: list[int] = chosen(generator).permutation(n).tolist()
    return order


class Sampler(Generic[T]):
    """Base of all samplers: subclasses define `__iter__`, and `__len__` where they can."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} needs `def __iter__(self)`")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... in order."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The indices of a dataset in a random order, another one each time.

    replacement: draw each index independently of the others
    num_samples: how many indices, by default len(data_source); without replacement, one
                 permutation follows the other
    generator:   where the numbers come from; by default a fresh one, seeded by one draw from the
                 default generator
    Raises:      TypeError for a replacement that is no bool, ValueError for no samples.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        _require_samples(self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices one pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n = len(self.data_source)
        generator = self.generator or Generator().manual_seed(draw_seed())
        if self.replacement:
            yield from self._independent(n, generator)
            return
        for _ in range(self.num_samples // n):
            yield from permutation(n, generator)
        # A permutation is drawn even where none of it is wanted: the generator may be the user's.
        if self.generator is not None or self.num_samples % n:
            yield from permutation(n, generator)[: self.num_samples % n]

    def _independent(self, n: int, generator: Generator) -> Iterator[int]:
        whole, rest = divmod(self.num_samples, DRAWN_TOGETHER)
        for size in [DRAWN_TOGETHER] * whole + [rest]:
            yield from generator.randint(0, n, (size,)).tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices, each once, in a random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in permutation(len(self.indices), self.generator):
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices 0 ... len(weights)-1, drawn in proportion to their weights.

    Raises ValueError for num_samples that is no positive integer, replacement that is no bool, or
    weights that are not one-dimensional.
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _require_samples(num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        values = weights._array if isinstance(weights, Tensor) else weights
        self.weights = wrap(np.asarray(values, np.float64))
        if self.weights.ndim != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from drawn._array.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices from another sampler; the last may be shorter, or is dropped.

    Raises ValueError for a batch_size that is no positive integer or a drop_last that is no bool.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not _is_positive(batch_size):
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler: Any = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := [*islice(indices, self.batch_size)]:
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index of an order that all replicas share, from `rank` on.

    The order is the permutation of a generator seeded with seed + epoch; `set_epoch` says which.
    It is made as long as a multiple of num_replicas by indices from its beginning, or as short
    with drop_last. A dtrain job does not need it: the service hands out the samples.

    Raises ValueError for a rank that is not in [0, num_replicas), or if one of the two is missing:
    there is no process group to ask.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError(
                "DistributedSampler needs num_replicas and rank: there is no default process group"
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        self.epoch = 0
        whole, rest = divmod(len(dataset), num_replicas)
        self.num_samples = whole + (1 if rest and not drop_last else 0)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = np.arange(n)
        if self.shuffle:
            order = Generator().manual_seed(self.seed + self.epoch).permutation(n)
        places = np.arange(self.rank, self.total_size, self.num_replicas)
        return iter(order[places % n].tolist())

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next pass belongs to; each has another order."""
        self.epoch = epoch


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _require_samples(num_samples: Any) -> None:
    if not _is_positive(num_samples):
        raise ValueError(
            f"num_samples should be a positive integer value, but got num_samples={num_samples}"
        )
