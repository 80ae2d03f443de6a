"""Samplers, loaders and splits: PyTorch's order for a seed, and its numbers afterwards."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain.utils import data as ours

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")
import torch.utils.data as theirs  # noqa: E402

SEEDS = (0, 7, 2**40 + 3)


class Side:
    """One of the two libraries, seeded alike."""

    def __init__(self, library: Any, data: Any, seed: int) -> None:
        self.library, self.data = library, data
        library.manual_seed(seed)

    def generator(self, seed: int) -> Any:
        return self.library.Generator().manual_seed(seed)

    def left(self) -> int:
        """The next number of the default generator: it tells how many were drawn before."""
        return int(self.library.randint(0, 2**20, (1,)).item())


def both(draw: Callable[[Side], Any], seed: int = 0) -> list[Any]:
    """What both give, and which number both draw next."""
    found = []
    for library, data in ((dtrain, ours), (torch, theirs)):
        side = Side(library, data, seed)
        found.append((draw(side), side.left()))
    return found


def lists(batches: Any) -> list[Any]:
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in batches]


SAMPLERS: dict[str, Callable[[Side], Any]] = {
    "random": lambda s: s.data.RandomSampler(range(100)),
    "random, of one": lambda s: s.data.RandomSampler(range(1)),
    "random, fewer": lambda s: s.data.RandomSampler(range(100), num_samples=30),
    "random, more": lambda s: s.data.RandomSampler(range(10), num_samples=35),
    "replaced": lambda s: s.data.RandomSampler(range(100), replacement=True),
    "replaced, more": lambda s: s.data.RandomSampler(range(10), True, 96),
    "generator": lambda s: s.data.RandomSampler(range(50), generator=s.generator(3)),
    "replaced, generator": lambda s: s.data.RandomSampler(range(9), True, 40, s.generator(3)),
    "subset": lambda s: s.data.SubsetRandomSampler([5, 3, 8, 1]),
    "weighted": lambda s: s.data.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 20),
    "weighted, once": lambda s: s.data.WeightedRandomSampler([0.9, 0.4, 0.05, 0.2], 3, False),
    "batches": lambda s: s.data.BatchSampler(s.data.RandomSampler(range(10)), 3, False),
    "whole batches": lambda s: s.data.BatchSampler(s.data.RandomSampler(range(10)), 3, True),
    "sequential": lambda s: s.data.SequentialSampler(range(5)),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_gives_pytorchs_indices_twice_over(name: str, seed: int) -> None:
    def draw(side: Side) -> Any:
        sampler = SAMPLERS[name](side)
        return [*sampler], [*sampler], len(sampler)

    mine, torchs = both(draw, seed)
    assert mine == torchs


def test_a_generator_given_to_a_sampler_stands_where_pytorchs_does_afterwards() -> None:
    def draw(side: Side) -> Any:
        generator = side.generator(1)
        drawn = [[*side.data.RandomSampler(range(n), False, m, generator)]
                 for n, m in ((10, 10), (10, 25), (7, 3))]  # fmt: skip
        return drawn, [*side.data.RandomSampler(range(100), generator=generator)]

    mine, torchs = both(draw)
    assert mine == torchs


@pytest.mark.parametrize("n", [1, 2, 10, 11, 13])
@pytest.mark.parametrize("replicas", [1, 2, 3, 12])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
def test_replicas_get_pytorchs_indices(
    n: int, replicas: int, shuffle: bool, drop_last: bool
) -> None:
    def draw(side: Side) -> Any:
        found: list[Any] = []
        for rank in range(replicas):
            sampler = side.data.DistributedSampler(
                range(n), replicas, rank, shuffle=shuffle, seed=5, drop_last=drop_last
            )
            found.append((len(sampler), [*sampler]))
            sampler.set_epoch(3)
            found.append([*sampler])
        return found

    mine, torchs = both(draw)
    assert mine == torchs


@pytest.mark.parametrize("lengths", [[3, 7], [10], [0.3, 0.3, 0.4], [0.5, 0.5], [1 / 3] * 3])
@pytest.mark.parametrize("seed", [None, 4])
def test_a_split_is_pytorchs(lengths: list[float], seed: int | None) -> None:
    def draw(side: Side) -> Any:
        options = {} if seed is None else {"generator": side.generator(seed)}
        parts = side.data.random_split(range(10), lengths, **options)
        return [[*part.indices] for part in parts]

    mine, torchs = both(draw)
    assert mine == torchs


LOADERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "batches": {"batch_size": 4},
    "shuffled": {"batch_size": 4, "shuffle": True},
    "whole": {"batch_size": 4, "shuffle": True, "drop_last": True},
    "single": {"batch_size": None, "shuffle": True},
    "sampler": {"batch_size": 3, "sampler": [4, 4, 1, 0]},
    "sampler alone": {"batch_size": None, "sampler": [[4, 4], [1, 0]]},
    "batch_sampler": {"batch_sampler": [[4, 4], [1], [0, 2, 3]]},
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_gives_pytorchs_batches_in_every_pass(name: str, seed: int) -> None:
    def draw(side: Side) -> Any:
        data = side.data.TensorDataset(side.library.from_numpy(np.arange(10.0)))
        loader = side.data.DataLoader(data, **LOADERS[name])
        return [[lists(batch) for batch in loader] for _ in range(3)], len(loader)

    mine, torchs = both(draw, seed)
    assert mine == torchs


def test_a_loader_with_a_generator_leaves_both_alike() -> None:
    def draw(side: Side) -> Any:
        generator = side.generator(9)
        loader = side.data.DataLoader([*range(10)], 3, shuffle=True, generator=generator)
        passes = [[lists([batch])[0] for batch in loader] for _ in range(2)]
        return passes, side.library.randperm(20, generator=generator).tolist()

    mine, torchs = both(draw)
    assert mine == torchs


def test_a_pass_that_is_given_up_leaves_both_alike() -> None:
    def draw(side: Side) -> Any:
        loader = side.data.DataLoader([*range(10)], 3, shuffle=True)
        iter(loader)
        first = next(iter(loader)).tolist()
        return first, [batch.tolist() for batch in loader]

    mine, torchs = both(draw)
    assert mine == torchs
