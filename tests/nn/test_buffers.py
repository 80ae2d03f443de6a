"""Buffer updates compose, and recording a leaf leaves the model as it was."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain import nn
from dtrain.autograd import tensor
from dtrain.errors import JobError, ProtocolError
from dtrain.nn.buffers import Affine, Count, Last, Mean, Update, compose, recording, unpack

whole = st.integers(-8, 8).map(float)
vectors = st.tuples(whole, whole).map(np.array)
UPDATES: dict[str, st.SearchStrategy[Any]] = {  # whole numbers, on which float64 is exact
    "affine": st.builds(Affine, keep=whole, add=vectors),
    "count": st.builds(Count, by=st.integers(0, 9).map(np.int64).map(np.asarray)),
    "mean": st.builds(Mean, count=st.integers(0, 9), total=vectors, prior=st.just(4)),
    "last": st.builds(Last, value=vectors),
}


def same(one: Update, other: Update) -> bool:
    pairs = zip(one.pack()[1], other.pack()[1], strict=True)
    return all(np.array_equal(left, right) for left, right in pairs)


@pytest.mark.parametrize("rule", UPDATES)
@given(data=st.data())
def test_grouping_does_not_matter(rule: str, data: st.DataObject) -> None:
    a, b, c = (data.draw(UPDATES[rule]) for _ in range(3))
    assert same(compose(compose(a, b), c), compose(a, compose(b, c)))


@pytest.mark.parametrize("rule", ["affine", "count", "last"])
@given(data=st.data())
def test_composing_is_applying_one_after_the_other(rule: str, data: st.DataObject) -> None:
    a, b = (data.draw(UPDATES[rule]) for _ in range(2))
    buffer = np.array([3.0, -5.0])
    np.testing.assert_array_equal(compose(a, b).apply(buffer), b.apply(a.apply(buffer)))


def test_a_mean_is_that_of_all_values_so_far() -> None:
    buffer = np.array(10.0)  # of 2 values
    update = Mean(1, np.array(1.0), 2).then(Mean(3, np.array(6.0), 2))
    assert update.apply(buffer) == (20 + 7) / 6


@pytest.mark.parametrize("rule", UPDATES)
@given(data=st.data())
def test_an_update_survives_its_journey(rule: str, data: st.DataObject) -> None:
    update = data.draw(UPDATES[rule])
    assert same(unpack(*update.pack()), update)


@pytest.mark.parametrize(
    ("tag", "arrays"),
    [
        ("median", [np.zeros(1)]),
        ("affine", [np.zeros(1)]),
        ("affine", [np.zeros(2), np.zeros(2)]),
        ("affine", [np.array(0.5, np.float32), np.zeros(2)]),
        ("count", [np.zeros(1)]),
        ("mean", [np.array([1, -1]), np.zeros(2)]),
        ("last", []),
    ],
)
def test_a_malformed_update_is_refused(tag: str, arrays: list[Any]) -> None:
    with pytest.raises(ProtocolError, match="malformed"):
        unpack(tag, arrays)


def test_updates_of_two_rules_do_not_compose() -> None:
    with pytest.raises(TypeError, match="count update cannot be followed by a last"):
        compose(Count(np.array(1)), Last(np.array(1)))


class Statistics(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("running", tensor([1.0, 2.0]), rule="affine")
        self.register_buffer("seen", tensor(5), rule="count")
        self.register_buffer("newest", tensor([0.0]), rule="last")
        self.register_buffer("fixed", tensor([7.0]))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Statistics()


def test_updates_in_a_recording_compose_and_counts_are_found_by_comparing() -> None:
    model = Model()
    with recording(model) as record:
        model.inner.update_buffer("running", 0.5, np.array([1.0, 1.0]))
        model.inner.update_buffer("running", 0.5, np.array([2.0, 0.0]))
        model.inner.seen._array += 2
        model.inner.newest = tensor([3.0])
    assert list(record.updates) == ["inner.running", "inner.seen", "inner.newest"]
    assert record.updates["inner.running"].apply(np.array([1.0, 2.0])).tolist() == [2.75, 1.0]
    assert record.updates["inner.seen"].apply(np.array(5)) == 7
    assert record.updates["inner.newest"].apply(np.array([0.0])).tolist() == [3.0]


def test_the_buffers_are_put_back_even_after_an_error() -> None:
    model = Model()
    tensors, arrays = list(model.buffers()), [each._array for each in model.buffers()]
    before = [array.tobytes() for array in arrays]
    for array in arrays:
        array.flags.writeable = False  # a leaf sees the run's own buffers

    def failing_leaf() -> None:
        with recording(model):
            model.inner.update_buffer("running", 0.5, np.array([1.0, 1.0]))
            model.inner.newest = tensor([3.0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_leaf()
    assert [id(each) for each in model.buffers()] == [id(each) for each in tensors]
    assert all(each._array is array for each, array in zip(model.buffers(), arrays, strict=True))
    assert [array.tobytes() for array in arrays] == before


def test_inside_a_recording_the_model_sees_its_own_updates() -> None:
    model = Model()
    with recording(model):
        model.inner.update_buffer("running", 0.0, np.array([9.0, 9.0]))
        assert model.inner.running.tolist() == [9.0, 9.0]


def test_nothing_changed_is_nothing_recorded() -> None:
    with recording(Model()) as record:
        pass
    assert record.updates == {}


def test_a_changed_buffer_without_a_rule_is_named() -> None:
    model = Model()
    with (
        pytest.raises(JobError, match=r"buffer inner\.fixed changed .* no update rule"),
        recording(model),
    ):
        model.inner.fixed._array += 1


def test_an_affine_buffer_that_is_written_directly_is_named() -> None:
    model = Model()
    with (
        pytest.raises(JobError, match=r"inner\.running .* update_buffer\('running', \.\.\.\)"),
        recording(model),
    ):
        model.inner.running._array += 1


def test_outside_a_recording_an_update_is_applied_at_once() -> None:
    model = Model()
    model.inner.update_buffer("running", 0.5, np.array([1.0, 1.0]))
    assert model.inner.running.tolist() == [1.5, 2.0]


def test_a_buffer_without_a_rule_takes_no_updates() -> None:
    with pytest.raises(ValueError, match="no buffer 'fixed' with an update rule"):
        Statistics().update_buffer("fixed", 1)
