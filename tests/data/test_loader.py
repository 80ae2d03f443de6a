"""DataLoader in one process."""

from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import checked
from dtrain.autograd import Tensor, wrap
from dtrain.data import (
    BatchSampler,
    DataLoader,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
    get_worker_info,
)
from dtrain.errors import JobError
from tests.data.loading import Counting, Odd, Squares, drop_missing, plain


def labels(loader: Any) -> list[Any]:
    return [plain(batch[1]) for batch in loader]


def rows(n: int = 10) -> TensorDataset:
    return TensorDataset(np.arange(2.0 * n).reshape(n, 2), np.arange(n))


def test_batches_follow_each_other_and_the_last_is_short() -> None:
    loader = DataLoader(Squares(7), batch_size=3)
    assert (labels(loader), len(loader)) == ([[0, 1, 2], [3, 4, 5], [6]], 3)


def test_drop_last_leaves_out_the_short_one() -> None:
    loader = DataLoader(Squares(7), batch_size=3, drop_last=True)
    assert (labels(loader), len(loader)) == ([[0, 1, 2], [3, 4, 5]], 2)


def test_a_loader_can_be_read_again_and_again() -> None:
    loader = DataLoader(Squares(4), batch_size=2)
    assert labels(loader) == labels(loader) == [[0, 1], [2, 3]]


def test_shuffled_samples_are_all_there_in_another_order_each_time() -> None:
    dtrain.manual_seed(0)
    loader = DataLoader(Squares(20), batch_size=20, shuffle=True)
    [first], [second] = labels(loader), labels(loader)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_a_generator_of_ones_own_leaves_the_default_one_alone() -> None:
    dtrain.manual_seed(0)
    before = dtrain.random.default_generator.snapshot()[2]
    generator = dtrain.Generator().manual_seed(1)
    expected = labels(DataLoader(Squares(), 4, shuffle=True, generator=generator))
    generator.manual_seed(1)
    assert labels(DataLoader(Squares(), 4, shuffle=True, generator=generator)) == expected
    assert dtrain.random.default_generator.snapshot()[2] == before


def test_rows_taken_at_once_equal_rows_collated_one_by_one() -> None:
    fast = [*DataLoader(rows(), 4)]
    slow = [*DataLoader(rows(), 4, collate_fn=lambda samples: default_collate(samples))]
    assert plain(fast) == plain(slow)
    assert [[f.dtype for f in batch] for batch in fast] == [[f.dtype for f in b] for b in slow]


def test_rows_are_taken_at_once_below_a_subset_too() -> None:
    assert plain([*DataLoader(Subset(rows(), [9, 4, 1]), 2)])[0][1] == [9, 4]


def test_a_tensor_is_a_dataset_of_its_rows() -> None:
    assert plain([*DataLoader(wrap(np.arange(6).reshape(3, 2)), 2)]) == [
        [[0, 1], [2, 3]],
        [[4, 5]],
    ]


def test_a_list_is_a_dataset_too() -> None:
    assert plain([*DataLoader([1.5, 2.5], 2)]) == [[1.5, 2.5]]


def test_without_a_batch_size_samples_come_one_by_one_with_arrays_as_tensors() -> None:
    sample = next(iter(DataLoader(Squares(3), batch_size=None)))
    assert (plain(sample), isinstance(sample[0], Tensor)) == ([[0.0, 0.0], 0], True)


def test_a_sampler_says_the_order() -> None:
    assert labels(DataLoader(Squares(), 2, sampler=[5, 3, 1])) == [[5, 3], [1]]


def test_keys_of_a_sampler_may_be_anything() -> None:
    data: Any = {"a": 1, "b": 2}
    assert plain([*DataLoader(data, 2, sampler=["b", "a"])]) == [[2, 1]]


def test_a_batch_sampler_says_the_batches() -> None:
    batches = BatchSampler(SequentialSampler(range(5)), 2, drop_last=True)
    loader = DataLoader(Squares(), batch_sampler=batches)
    assert (labels(loader), len(loader), loader.batch_size) == ([[0, 1], [2, 3]], 2, None)


def test_a_collate_function_can_drop_what_is_missing() -> None:
    data: Any = [0, None, 2, 3, None, 5]
    assert plain([*DataLoader(data, 3, collate_fn=drop_missing)]) == [[0, 2], [3, 5]]


def test_an_iterable_dataset_is_read_to_its_end() -> None:
    assert plain([*DataLoader(Counting(5), 2)]) == [[0, 1], [2, 3], [4]]
    assert plain([*DataLoader(Counting(5), 2, drop_last=True)]) == [[0, 1], [2, 3]]
    assert [*DataLoader(Counting(3), batch_size=None)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "length"), [({"batch_size": 2}, 3), ({"batch_size": 2, "drop_last": True}, 2),
                            ({"batch_size": None}, 5)]
)  # fmt: skip
def test_the_length_for_an_iterable_is_what_it_says(options: dict[str, Any], length: int) -> None:
    assert len(DataLoader(Counting(5), **options)) == length


def test_an_iterable_that_gives_more_than_it_said_is_warned_of() -> None:
    class Modest(Counting):
        def __len__(self) -> int:
            return 2

    loader = DataLoader(Modest(3), batch_size=None)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2 .* but 3 samples have been fetched"):
        list(loader)


def test_the_dataset_is_an_attribute_as_the_quickstart_uses_it() -> None:
    assert len(DataLoader(Squares(11)).dataset) == 11  # type: ignore[arg-type]


def test_an_error_of_a_sample_comes_through_with_a_note_that_names_it() -> None:
    with pytest.raises(KeyError) as raised:
        list(DataLoader(Odd("key"), 4))
    assert raised.value.__notes__ == ["sample 7 of Odd: KeyError: 'two\\nlines'"]


def test_there_is_no_worker_in_the_main_process() -> None:
    assert get_worker_info() is None


def test_pinning_memory_means_nothing() -> None:
    assert labels(DataLoader(Squares(2), 2, pin_memory=True)) == [[0, 1]]


def test_what_was_set_at_first_cannot_be_set_again() -> None:
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader"):
        DataLoader(Squares()).batch_size = 3


def test_more_workers_than_processors_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="will create 1000 worker processes"):
        DataLoader(Squares(), num_workers=1000)


def test_a_job_refuses_a_loader_and_asks_for_its_dataset() -> None:
    class Loads(dtrain.Job):
        def train_data(self) -> Any:
            return DataLoader(Squares())

    with pytest.raises(JobError, match="returned a DataLoader; return its dataset"):
        checked.train_data_of(Loads())


def test_the_names_are_where_pytorch_has_them() -> None:
    from dtrain.utils import data

    assert data.DataLoader is DataLoader
    assert set(data.__all__) - {"dataloader", "dataset", "sampler"} <= set(dtrain.data.__all__)
