from collections import OrderedDict, namedtuple
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from dtrain.autograd import Tensor, wrap
from dtrain.data import default_collate, default_convert

Point = namedtuple("Point", ["x", "y"])


def seen(value: Any) -> tuple[str, tuple[int, ...], Any]:
    """A tensor as (dtype, shape, values)."""
    assert isinstance(value, Tensor)
    return str(value._array.dtype), value._array.shape, value._array.tolist()


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([1.5, 2], ("float64", (2,), [1.5, 2.0])),
        ([1, 2, 3], ("int64", (3,), [1, 2, 3])),
        ([True, False], ("bool", (2,), [True, False])),
        ([np.float32(1.5)], ("float32", (1,), [1.5])),
        ([np.int16(1), np.int16(2)], ("int16", (2,), [1, 2])),
        ([np.ones((2, 1), "float32")] * 3, ("float32", (3, 2, 1), [[[1.0], [1.0]]] * 3)),
        ([np.array(7)] * 2, ("int64", (2,), [7, 7])),
        ([wrap(np.ones(2))] * 2, ("float64", (2, 2), [[1.0, 1.0]] * 2)),
    ],
)
def test_numbers_and_arrays_become_a_tensor(batch: list[Any], expected: Any) -> None:
    assert seen(default_collate(batch)) == expected


def test_texts_stay_a_list() -> None:
    assert default_collate(["a", "b"]) == ["a", "b"]


def test_tuples_become_a_list_of_fields() -> None:
    x, y = default_collate([(np.zeros(2), 1), (np.ones(2), 2)])
    assert (seen(x)[2], seen(y)[2]) == ([[0.0, 0.0], [1.0, 1.0]], [1, 2])


def test_named_tuples_keep_their_type() -> None:
    both = default_collate([Point(1, 2), Point(3, 4)])
    assert (type(both), seen(both.x)[2], seen(both.y)[2]) == (Point, [1, 3], [2, 4])


def test_lists_stay_lists_and_the_samples_are_not_changed() -> None:
    samples = [[1, 2], [3, 4]]
    assert [seen(field)[2] for field in default_collate(samples)] == [[1, 3], [2, 4]]
    assert samples == [[1, 2], [3, 4]]


def test_mappings_keep_their_type() -> None:
    both = default_collate([OrderedDict(a=1, b="x"), OrderedDict(a=2, b="y")])
    assert isinstance(both, OrderedDict)
    assert (seen(both["a"])[2], both["b"]) == ([1, 2], ["x", "y"])


def test_samples_nest() -> None:
    batch = default_collate([{"x": (1, [2.0])}, {"x": (3, [4.0])}])
    assert [seen(batch["x"][0])[2], seen(batch["x"][1][0])[2]] == [[1, 3], [2.0, 4.0]]


def test_unequal_shapes_are_refused_with_the_entry() -> None:
    with pytest.raises(RuntimeError, match=r"\[2\] at entry 0 and \[3\] at entry 1"):
        default_collate([np.zeros(2), np.zeros(3)])


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(RuntimeError, match="should be of equal size"):
        default_collate([(1, 2), (1,)])


@pytest.mark.parametrize("sample", [None, object(), np.array(["text"]), {1, 2}])
def test_what_cannot_be_a_tensor_is_refused(sample: Any) -> None:
    with pytest.raises(TypeError, match="default_collate"):
        default_collate([sample])


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(IndexError, match="empty batch"):
        default_collate([])


def test_numbers_of_two_kinds_are_promoted_and_not_cut_off() -> None:
    assert seen(default_collate([1, 2.5])) == ("float32", (2,), [1.0, 2.5])


def test_a_batch_of_samples_that_require_a_gradient_requires_one() -> None:
    x = wrap(np.ones(2), requires_grad=True)
    default_collate([x, x]).sum().backward()
    assert seen(x.grad)[2] == [2.0, 2.0]


def test_a_mapping_that_cannot_change_keeps_its_type() -> None:
    assert isinstance(default_collate([MappingProxyType({"a": 1})]), MappingProxyType)


def test_a_sequence_that_cannot_be_made_of_tensors_becomes_a_list() -> None:
    assert [seen(field)[2] for field in default_collate([range(2), range(2)])] == [[0, 0], [1, 1]]


def test_converting_makes_tensors_of_arrays_and_keeps_the_rest() -> None:
    sample = {
        "x": np.zeros(2, "float32"),
        "name": "a",
        "n": 3,
        "pair": (np.float64(1), Point(1, 2)),
    }
    made = default_convert(sample)
    assert (seen(made["x"])[0], made["name"], made["n"]) == ("float32", "a", 3)
    assert isinstance(made["pair"], list)
    assert (seen(made["pair"][0]), made["pair"][1]) == (("float64", (), 1.0), Point(1, 2))


def test_converting_keeps_arrays_that_no_tensor_can_hold() -> None:
    texts = np.array(["a", "b"])
    assert default_convert([texts])[0] is texts
