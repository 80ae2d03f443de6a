from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dtrain.autograd import Tensor, wrap
from dtrain.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from dtrain.data.atonce import newest, taken
from dtrain.random import Generator


class Letters(Dataset[str]):
    """Sample i is the i-th letter."""

    def __init__(self, letters: str) -> None:
        self.letters = letters

    def __len__(self) -> int:
        return len(self.letters)

    def __getitem__(self, index: int) -> str:
        return self.letters[index]


class ManyLetters(Letters):
    def __getitems__(self, indices: list[int]) -> list[str]:
        return [self.letters[i].upper() for i in indices]


class Counting(IterableDataset[int]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.n))

    def __len__(self) -> int:
        return self.n


def test_a_sample_of_a_tensor_dataset_is_a_row_of_each_tensor() -> None:
    x, y = TensorDataset(np.arange(6.0).reshape(3, 2), [7, 8, 9])[1]
    assert (x._array.tolist(), y._array.tolist(), y._array.shape) == ([2.0, 3.0], 8, ())


def test_arrays_are_shared_not_copied() -> None:
    array = np.zeros((3, 2))
    assert np.shares_memory(TensorDataset(array).tensors[0]._array, array)


def test_the_length_is_the_first_dimension() -> None:
    assert len(TensorDataset(wrap(np.zeros((5, 2))))) == 5


def test_tensors_of_unequal_length_are_refused_with_their_shapes() -> None:
    with pytest.raises(AssertionError, match=r"\(3, 2\), \(4,\)"):
        TensorDataset(np.zeros((3, 2)), np.zeros(4))


@pytest.mark.parametrize("tensors", [(), (np.array(1.0),)])
def test_no_rows_at_all_are_refused(tensors: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(*tensors)


def test_a_subset_has_the_length_of_its_indices_and_their_order() -> None:
    subset = Subset(TensorDataset(np.arange(10)), [9, 4])
    assert [int(subset[i][0]._array) for i in range(len(subset))] == [9, 4]


def test_rows_may_be_asked_for_by_a_slice_or_a_list() -> None:
    data = TensorDataset(np.arange(6.0).reshape(3, 2), [7, 8, 9])
    assert [t.tolist() for t in data[1:]] == [[[2.0, 3.0], [4.0, 5.0]], [8, 9]]
    assert [t.tolist() for t in data[[2, 0]]] == [[[4.0, 5.0], [0.0, 1.0]], [9, 7]]


def test_rows_of_a_tensor_that_requires_a_gradient_lead_back_to_it() -> None:
    x = wrap(np.ones(3), requires_grad=True)
    data = TensorDataset(x)
    (data[1][0] + data.take(np.array([1, 2]))[0].sum()).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 2.0, 1.0]


def test_a_subset_reads_many_samples_in_one_call_where_its_dataset_can() -> None:
    assert Subset(ManyLetters("abc"), [2, 0]).__getitems__([1, 0]) == ["A", "C"]
    assert Subset(Letters("abc"), [2, 0]).__getitems__([1, 0]) == ["a", "c"]


def test_concatenated_datasets_follow_each_other() -> None:
    both = Letters("abc") + Letters("de")
    assert isinstance(both, ConcatDataset)
    assert [both[i] for i in range(len(both))] == ["a", "b", "c", "d", "e"]
    assert (both[-1], both[-5], both.cumulative_sizes) == ("e", "a", [3, 5])


def test_concatenated_datasets_end() -> None:
    both = Letters("abc") + Letters("de")
    with pytest.raises(IndexError):
        both[5]
    with pytest.raises(ValueError, match="should not exceed dataset length"):
        both[-6]


@pytest.mark.parametrize("datasets", [[], [Counting(2)]])
def test_nothing_and_iterables_are_not_concatenated(datasets: list[Any]) -> None:
    with pytest.raises(AssertionError, match=r"should not be|does not support"):
        ConcatDataset(datasets)


def test_stacked_datasets_give_tuples_or_dicts() -> None:
    assert StackDataset(Letters("ab"), Letters("xy"))[1] == ("b", "y")
    assert StackDataset(x=Letters("ab"), y=Letters("xy"))[0] == {"x": "a", "y": "x"}


def test_stacked_datasets_read_many_samples_in_one_call_where_they_can() -> None:
    stacked = StackDataset(ManyLetters("abc"), Letters("xyz"))
    assert stacked.__getitems__([2, 0]) == [("C", "z"), ("A", "x")]


@pytest.mark.parametrize(
    ("positions", "names", "message"),
    [
        ([], {}, "At least one"),
        ([Letters("ab"), Letters("a")], {}, "Size mismatch"),
        ([Letters("ab")], {"y": Letters("ab")}, "not both"),
    ],
)
def test_datasets_that_cannot_be_stacked_are_refused(
    positions: list[Any], names: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        StackDataset(*positions, **names)


def test_chained_datasets_follow_each_other() -> None:
    both = Counting(2) + Counting(3)
    assert isinstance(both, ChainDataset)
    assert ([*both], len(both)) == ([0, 1, 0, 1, 2], 5)


def test_only_iterables_are_chained() -> None:
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([Letters("ab")]))


def test_a_split_has_every_sample_once() -> None:
    parts = random_split(Letters("abcdefghij"), [3, 7], Generator().manual_seed(0))
    assert [len(part) for part in parts] == [3, 7]
    assert sorted(part[i] for part in parts for i in range(len(part))) == list("abcdefghij")


def test_what_fractions_leave_over_goes_to_the_first_parts() -> None:
    parts = random_split(Letters("abcdefghijk"), [0.3, 0.3, 0.4])
    assert [len(part) for part in parts] == [4, 3, 4]


def test_an_empty_part_of_a_fraction_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(Letters("ab"), [0.9, 0.1])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 1], "does not equal"),
        ([1.5, -0.5], "index 0 is not between"),
        ([0.5, 0.4], "not equal"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_split(Letters("abc"), lengths)


class Doubled(TensorDataset):
    """A subclass that changes samples; what it inherits does not know of it."""

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(row * 2 for row in super().__getitem__(index))


def test_a_subclass_with_a_getitem_of_its_own_is_read_by_it() -> None:
    assert newest(TensorDataset(np.arange(3)), "take")
    assert not newest(Doubled(np.arange(3)), "take")
    assert taken(Doubled(np.arange(3)), [1]) is None


@pytest.mark.parametrize("data", [np.arange(6).reshape(3, 2), wrap(np.arange(3)), [1, 2]])
def test_take_of_what_is_no_dataset_is_left_alone(data: Any) -> None:
    assert taken(data, [1]) is None


def test_indices_that_are_no_whole_numbers_take_nothing_at_once() -> None:
    assert taken(TensorDataset(np.arange(3)), ["a"]) is None
    assert taken(Subset({"a": 1}, ["a"]), [0]) is None  # type: ignore[arg-type]
