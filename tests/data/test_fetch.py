import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from dtrain import keyed
from dtrain.autograd import wrap
from dtrain.data import Dataset, Subset, TensorDataset, default_collate, fetch


class Squares(Dataset[tuple[Any, int]]):
    """Sample i is ([i, i*i], i); sample 13 is broken."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[Any, int]:
        if index == 13:
            raise ValueError("unreadable\nfile")
        return np.array([index, index * index], "float32"), index


class Noisy(Squares):
    def __getitem__(self, index: int) -> tuple[Any, int]:
        return keyed.rng().random(2), index


class ManyAtOnce(Squares):
    def __getitems__(self, indices: list[int]) -> list[tuple[Any, int]]:
        return [(np.zeros(2), -index) for index in indices]


def rows() -> TensorDataset:
    return TensorDataset(np.arange(24.0).reshape(12, 2), wrap(np.arange(12)))


def values(batch: Any) -> list[Any]:
    return [field._array.tolist() for field in batch]


def test_samples_arrive_in_the_order_of_the_indices() -> None:
    assert values(fetch(Squares(), [3, 1])) == [[[3.0, 9.0], [1.0, 1.0]], [3, 1]]


def test_indices_may_be_an_array() -> None:
    assert values(fetch(Squares(), np.array([2])))[1] == [2]


def test_rows_taken_at_once_equal_rows_collated_one_by_one() -> None:
    slow = default_collate([rows()[i] for i in (5, 0, 11)])
    fast = fetch(rows(), [5, 0, 11])
    assert values(fast) == values(slow)
    assert [f._array.dtype for f in fast] == [f._array.dtype for f in slow]


def test_rows_are_taken_at_once_below_subsets_too() -> None:
    nested = Subset(Subset(rows(), [4, 6, 8]), np.array([2, 0]))
    assert values(fetch(nested, [0, 1]))[1] == [8, 4]


def test_a_batch_does_not_share_memory_with_the_dataset() -> None:
    data = rows()
    fetch(data, [0])[0]._array[...] = -1.0
    assert values(fetch(data, [0])) == [[[0.0, 1.0]], [0]]


def test_getitems_is_used_with_the_default_collate() -> None:
    assert values(fetch(ManyAtOnce(), [3, 4]))[1] == [-3, -4]


def test_a_collate_of_ones_own_gets_the_samples() -> None:
    assert fetch(ManyAtOnce(), [3, 4], lambda samples: [y for _, y in samples]) == [3, 4]


def test_a_subset_reads_the_samples_that_it_lists() -> None:
    assert values(fetch(Subset(Squares(), [7, 9]), [1]))[1] == [9]


def test_the_scope_is_open_around_each_sample_with_its_index() -> None:
    opened: list[int] = []

    @contextmanager
    def scope(index: int) -> Iterator[None]:
        opened.append(index)
        yield

    fetch(Squares(), [4, 2], scope=scope)
    assert opened == [4, 2]


def test_a_samples_noise_is_its_own_whatever_it_is_fetched_with() -> None:
    def noise(indices: list[int]) -> dict[int, list[float]]:
        batch = fetch(Noisy(), indices, scope=lambda i: keyed.sample_scope(0, 1, i))
        return dict(zip(indices, values(batch)[0], strict=True))

    assert noise([5, 6, 7])[6] == noise([6])[6] == noise([7, 6])[6]


def test_an_error_keeps_the_users_traceback_and_names_the_sample() -> None:
    with pytest.raises(ValueError, match="unreadable") as raised:
        fetch(Squares(), [12, 13])
    text = "".join(traceback.format_exception(raised.value))
    assert 'raise ValueError("unreadable\\nfile")' in text
    assert text.splitlines()[-1] == "sample 13 of Squares: ValueError: unreadable"


def test_an_index_beyond_the_end_names_the_sample() -> None:
    with pytest.raises(IndexError) as raised:
        fetch(rows(), [12], list)
    assert "sample 12 of TensorDataset" in raised.value.__notes__[0]
