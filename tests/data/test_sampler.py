from typing import Any

import pytest

import dtrain
from dtrain.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from dtrain.random import Generator

N = range(10)


def test_in_sequence() -> None:
    assert ([*SequentialSampler(N)], len(SequentialSampler(N))) == ([*N], 10)


def test_at_random_each_index_comes_once() -> None:
    assert sorted(RandomSampler(N)) == [*N]


def test_more_samples_than_there_are_come_in_permutations() -> None:
    drawn = [*RandomSampler(N, num_samples=25)]
    assert sorted(drawn[:10]) == sorted(drawn[10:20]) == [*N]
    assert len({*drawn[20:]}) == 5


def test_with_replacement_as_many_are_drawn_as_are_asked_for() -> None:
    drawn = [*RandomSampler(N, replacement=True, num_samples=70)]
    assert (len(drawn), {*drawn} <= {*N}) == (70, True)


def test_nothing_is_drawn_before_the_first_index_is_asked_for() -> None:
    dtrain.manual_seed(3)
    order = iter(RandomSampler(N))
    dtrain.manual_seed(4)
    late = [*order]
    dtrain.manual_seed(4)
    assert late == [*RandomSampler(N)]


def test_a_subset_is_drawn_from_its_own_indices() -> None:
    assert sorted(SubsetRandomSampler([7, 5, 3])) == [3, 5, 7]


def test_a_weight_of_zero_is_never_drawn() -> None:
    assert {*WeightedRandomSampler([0.0, 1.0, 3.0], 50)} == {1, 2}
    assert sorted(WeightedRandomSampler([0.5, 1.0, 3.0], 3, replacement=False)) == [0, 1, 2]


def test_batches_of_any_iterable() -> None:
    assert [*BatchSampler(N, 4, False)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [*BatchSampler(N, 4, True)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert (len(BatchSampler(N, 4, False)), len(BatchSampler(N, 4, True))) == (3, 2)


@pytest.mark.parametrize("drop_last", [False, True])
def test_replicas_share_an_epoch_between_them(drop_last: bool) -> None:
    parts = [DistributedSampler(N, 3, rank, drop_last=drop_last) for rank in range(3)]
    for part in parts:
        part.set_epoch(2)
    drawn = [index for part in parts for index in part]
    assert [len([*part]) for part in parts] == [len(part) for part in parts]
    assert len(drawn) == (9 if drop_last else 12)
    assert ({*drawn} == {*N}) is not drop_last


def test_each_epoch_has_another_order() -> None:
    sampler = DistributedSampler(N, 1, 0)
    first = [*sampler]
    sampler.set_epoch(1)
    assert sorted([*sampler]) == sorted(first)
    assert [*sampler] != first


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: RandomSampler(N, replacement=1), TypeError),  # type: ignore[arg-type]
        (lambda: RandomSampler([]), ValueError),
        (lambda: RandomSampler(N, num_samples=0), ValueError),
        (lambda: BatchSampler(N, 0, False), ValueError),
        (lambda: BatchSampler(N, True, False), ValueError),
        (lambda: BatchSampler(N, 2, 1), ValueError),  # type: ignore[arg-type]
        (lambda: WeightedRandomSampler([1.0], 0), ValueError),
        (lambda: WeightedRandomSampler([[1.0]], 1), ValueError),
        (lambda: WeightedRandomSampler([1.0], 1, replacement=1), ValueError),  # type: ignore[arg-type]
        (lambda: DistributedSampler(N, 2, 2), ValueError),
        (lambda: DistributedSampler(N), ValueError),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_the_same_generator_gives_the_same_order() -> None:
    one, two = (RandomSampler(N, generator=Generator().manual_seed(5)) for _ in range(2))
    assert [*one] == [*two]
