"""Samples copied into memory of their own."""

from collections import namedtuple
from typing import Any, NamedTuple

import numpy as np
import pytest

import dtrain
from dtrain.autograd import Tensor
from dtrain.data.identity import put
from dtrain.data.owned import NotOwnable, owned


class Pair(NamedTuple):
    x: Any
    y: Any


class Noted(namedtuple("Noted", "x")):  # instances have a __dict__
    pass


class Number(float):
    pass


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def mapped(tmp_path: Any) -> np.ndarray:
    np.save(tmp_path / "numbers.npy", numbers(4, 3))
    array: np.ndarray = np.load(tmp_path / "numbers.npy", mmap_mode="r+")
    return array


class Seen(list[Any]):
    """What a hash is fed with."""

    update = list.append


def content(value: Any) -> list[bytes]:
    seen = Seen()
    put(seen, value)
    return [bytes(part) for part in seen]


MIXED = {
    "arrays": (numbers(3, 4), numbers(2), np.float32(1.5), np.datetime64("2020-01-01")),
    7: [dtrain.from_numpy(numbers(2, 2)), 1, 2.0, 3j, True, None, "text", b"bytes"],
    ("a", 1): Pair(numbers(5), [1, 2]),
    "none": np.empty((0, 3)),
    "one": np.array(1.0),
}


def test_a_copy_has_the_same_content() -> None:
    assert content(owned(MIXED)) == content(MIXED)


def test_a_copy_has_the_same_types_and_order() -> None:
    copy = owned(MIXED)
    assert list(copy) == list(MIXED)
    assert type(copy["a", 1]) is Pair
    assert type(copy[7][0]) is Tensor


FORMS = {
    "c": lambda x: x,
    "fortran": lambda x: x.T,
    "cut": lambda x: x[1:5, 2:7],
    "every other": lambda x: x[::2, ::3],
    "backwards": lambda x: x[::-1, ::-1],
    "broadcast": lambda x: np.broadcast_to(x[0], (5, 8)),
    "other byte order": lambda x: x.astype(">f4"),
    "not aligned": lambda x: np.frombuffer(b"-" + x.tobytes(), np.float32, offset=1),
    "record": lambda x: np.zeros(3, [("a", "i1"), ("b", "f8")])["b"],
    "read-only": lambda x: np.frombuffer(x.tobytes(), np.float32),
    "none": lambda x: x[:0],
    "one": lambda x: x[0, :1].reshape(()),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_array_keeps_its_layout_and_shares_no_memory(form: str) -> None:
    array = FORMS[form](numbers(6, 8))
    copy = owned(array)
    assert not np.shares_memory(copy, array)
    assert (copy.dtype, copy.shape) == (array.dtype, array.shape)
    assert copy.strides == array.strides
    assert copy.tobytes() == array.tobytes()
    for flag in ("WRITEABLE", "ALIGNED", "C_CONTIGUOUS", "F_CONTIGUOUS"):
        assert copy.flags[flag] == array.flags[flag]


def test_a_tensor_may_still_be_looked_at_by_strides() -> None:
    x = dtrain.from_numpy(numbers(6, 8))
    copy = owned(x).as_strided((2, 2), (1, 8), storage_offset=0)
    assert copy.tolist() == x.as_strided((2, 2), (1, 8), storage_offset=0).tolist()


def test_an_array_in_a_mapped_file_is_read_into_memory(tmp_path: Any) -> None:
    array = mapped(tmp_path)
    copies = owned([array[1], array[2:, ::2]])
    array[...] = 0
    assert [type(each) for each in copies] == [np.memmap, np.memmap]
    assert copies[0].tolist() == numbers(4, 3)[1].tolist()
    assert copies[1].tolist() == numbers(4, 3)[2:, ::2].tolist()


def test_what_is_there_twice_is_there_twice_in_the_copy() -> None:
    array = numbers(3)
    first, second, tensor = owned([array, array, dtrain.from_numpy(array)])
    assert first is second
    assert tensor._array is first


def test_read_only_windows_may_overlap() -> None:
    array = numbers(9)
    array.flags.writeable = False
    copy = owned([array[:5], array[3:]])
    assert [each.tolist() for each in copy] == [array[:5].tolist(), array[3:].tolist()]


def recorded() -> Any:
    return dtrain.zeros(2, requires_grad=True) * 2


def inferred() -> Any:
    with dtrain.inference_mode():
        return dtrain.zeros(2)


def noted() -> Any:
    value = Noted(1)
    value.note = numbers(1)
    return value


def endless() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def windows(x: np.ndarray) -> Any:
    return [x[:5], x[4:]]


def frozen_window(x: np.ndarray) -> Any:
    window = x[:5]
    window.flags.writeable = False
    return [window, x]


REFUSED = {
    "object": object,
    "bytearray": lambda: bytearray(b"1"),
    "set": lambda: {1},
    "subclass of a number": lambda: Number(1),
    "named tuple with a note": noted,
    "array of objects": lambda: np.array([None, []], dtype=object),
    "array of texts": lambda: np.array(["a"], dtype=np.dtypes.StringDType()),
    "masked array": lambda: np.ma.masked_array([1.0], [True]),
    "record": lambda: np.zeros(1, "i4,f4")[0],
    "requires a gradient": lambda: dtrain.zeros(2, requires_grad=True),
    "in a graph": recorded,
    "made in inference mode": inferred,
    "parameter": lambda: dtrain.nn.Parameter(dtrain.zeros(2), requires_grad=False),
    "endless": endless,
    "overlap": lambda: windows(numbers(9)),
    "overlap with what is read-only": lambda: frozen_window(numbers(9)),
    "strewn": lambda: numbers(20, 20)[:, 0],
    "same memory under two tensors": lambda: [
        each.view(2, 2) for each in [dtrain.zeros(4)] for _ in "ab"
    ],
}


@pytest.mark.parametrize("refused", REFUSED)
def test_what_is_not_known_to_be_a_samples_own_alone_is_refused(refused: str) -> None:
    with pytest.raises(NotOwnable):
        owned([1, {"deep": (REFUSED[refused](),)}])
