"""What a node is worth: adding it up, and its way over the network."""

import math
from typing import Any

import msgpack
import numpy as np
import pytest

from dtrain.errors import ProtocolError
from dtrain.gradsum import ChunkSum, GradSum, TailSum, means, pack, unpack
from dtrain.layout import Buffer, Layout, TensorSpec
from dtrain.nn.updates import Affine, Count, Last, Mean

LAYOUT = Layout.build(
    [
        TensorSpec("a", (3,), "float32", True),
        TensorSpec("b", (20,), "float32", True),
        TensorSpec("c", (2,), "float64", True),
    ],
    [
        Buffer("mean", (2,), "float32", "affine"),
        Buffer("count", (), "int64", "count"),
        Buffer("total", (2,), "float32", "mean"),
        Buffer("last", (1, 2), "float32", "last"),
        Buffer("fixed", (2,), "float32", None),
    ],
    chunk_elements=32,
)
FIRST = LAYOUT.chunks[0]


def chunk_sum(value: float = 1.0, weight: float = 4.0, reached: int = 0b01) -> ChunkSum:
    return ChunkSum(weight, reached, np.full(FIRST.size, value, np.float32))


def tail_sum() -> TailSum:
    updates = {
        0: Affine.of(0.9, [1.0, 2.0]),
        1: Count.of(3),
        2: Mean.of(4, [1.0, 2.0], 8),
        3: Last.of(np.float32([[5, 6]])),
    }
    return TailSum(4.0, 2.5, 4, {"accuracy": (3.0, 4.0)}, updates)


def over_the_wire(index: int, part: Any) -> Any:
    fields, arrays = pack(part)
    frames = [memoryview(array.tobytes()) for array in arrays]
    return unpack(LAYOUT, index, msgpack.unpackb(msgpack.packb(fields)), frames)


def test_gradients_weights_and_bits_add_up_in_the_left_array() -> None:
    left, right = chunk_sum(1.0, 4.0, 0b01), chunk_sum(2.0, 3.0, 0b10)
    total = left + right
    assert total.grad is left.grad
    assert (total.weight, total.reached) == (7.0, 0b11)
    assert (total.grad == 3.0).all()
    assert (right.grad == 2.0).all()


def test_logged_sums_add_up_by_name() -> None:
    left = TailSum(1.0, 2.0, 1, {"a": (1.0, 1.0), "b": (5.0, 2.0)})
    right = TailSum(3.0, 4.0, 3, {"a": (2.0, 3.0), "c": (7.0, 1.0)})
    total = left + right
    assert (total.weight, total.loss_sum, total.samples) == (4.0, 6.0, 4)
    assert total.logs == {"a": (3.0, 4.0), "b": (5.0, 2.0), "c": (7.0, 1.0)}


def test_buffers_are_updated_by_the_left_leaves_first() -> None:
    left = TailSum(1.0, 0.0, 1, buffers={3: Last.of(np.float32([[1, 1]]))})
    right = TailSum(1.0, 0.0, 1, buffers={3: Last.of(np.float32([[2, 2]]))})
    old = np.zeros((1, 2), np.float32)
    assert (left + right).buffers[3].apply(old).tolist() == [[2, 2]]
    assert (right + left).buffers[3].apply(old).tolist() == [[1, 1]]


def test_a_node_adds_part_by_part() -> None:
    left = GradSum([chunk_sum(), TailSum(1.0, 1.0, 1)])
    total = left + GradSum([chunk_sum(), TailSum(2.0, 2.0, 2)])
    assert total.parts[0].weight == 8.0
    assert total.tail.loss_sum == 3.0


def test_means_are_taken_by_each_names_own_weight() -> None:
    tail = TailSum(4.0, 2.0, 4, {"accuracy": (3.0, 6.0), "never": (0.0, 0.0)})
    assert means(tail) == {"accuracy": 0.5, "loss": 0.5}


def test_without_any_weight_the_loss_is_nan() -> None:
    assert math.isnan(means(TailSum(0.0, 0.0, 0))["loss"])


def test_a_chunk_survives_the_wire() -> None:
    again = over_the_wire(0, chunk_sum(1.25, 3.0, 0b11))
    assert (again.weight, again.reached, again.grad.dtype) == (3.0, 0b11, np.float32)
    assert again.grad.tobytes() == chunk_sum(1.25).grad.tobytes()


def test_inf_and_nan_survive_the_wire() -> None:
    part = chunk_sum()
    part.grad[:2] = np.inf, np.nan
    assert over_the_wire(0, part).grad.tobytes() == part.grad.tobytes()


def test_a_tail_survives_the_wire() -> None:
    tail, again = tail_sum(), over_the_wire(LAYOUT.tail, tail_sum())
    assert (again.weight, again.loss_sum, again.samples) == (4.0, 2.5, 4)
    assert again.logs == tail.logs
    assert list(again.buffers) == [0, 1, 2, 3]
    for i, update in again.buffers.items():
        old = np.ones(LAYOUT.buffers[i].shape, LAYOUT.buffers[i].dtype)
        assert update.apply(old).tobytes() == tail.buffers[i].apply(old).tobytes()


@pytest.mark.parametrize("shift", [0, 1], ids=["aligned", "unaligned"])
@pytest.mark.parametrize("kind", [bytes, bytearray], ids=["read-only", "writeable"])
def test_sums_off_the_network_add_up_to_the_same_bits(kind: Any, shift: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, FIRST.size)).astype(np.float32)
    raw = memoryview(kind(b"\0" * shift + a.tobytes()))[shift:]
    left = unpack(LAYOUT, 0, {"weight": 1.0, "reached": b"\1"}, [raw])
    assert (left + ChunkSum(1.0, 1, b)).grad.tobytes() == (a + b).tobytes()


def test_a_writeable_buffer_is_used_without_a_copy() -> None:
    memory = np.zeros(FIRST.size, np.float32)
    part = unpack(LAYOUT, 0, {"weight": 1.0, "reached": b""}, [memoryview(memory).cast("B")])
    assert np.shares_memory(part.grad, memory)


CHUNK, CHUNK_RAW = pack(chunk_sum())
TAIL, TAIL_RAW = pack(tail_sum())
ROW = np.zeros(FIRST.size, np.float32)


@pytest.mark.parametrize(
    ("index", "fields", "arrays"),
    [
        (-1, CHUNK, CHUNK_RAW),
        (LAYOUT.parts, CHUNK, CHUNK_RAW),
        (0, TAIL, TAIL_RAW),
        (LAYOUT.tail, CHUNK, CHUNK_RAW),
        (0, {}, CHUNK_RAW),
        (0, {**CHUNK, "more": 1}, CHUNK_RAW),
        (0, {**CHUNK, "weight": "4"}, CHUNK_RAW),
        (0, {**CHUNK, "weight": True}, CHUNK_RAW),
        (0, {**CHUNK, "weight": -1.0}, CHUNK_RAW),
        (0, {**CHUNK, "weight": math.nan}, CHUNK_RAW),
        (0, {**CHUNK, "weight": math.inf}, CHUNK_RAW),
        (0, {**CHUNK, "reached": [0]}, CHUNK_RAW),
        (0, {**CHUNK, "reached": b"\x04"}, CHUNK_RAW),
        (0, {**CHUNK, "reached": b"\x01\x00"}, CHUNK_RAW),
        (0, CHUNK, []),
        (0, CHUNK, CHUNK_RAW * 2),
        (0, CHUNK, [ROW[:-1]]),
        (0, CHUNK, [ROW.astype(np.float64)]),
        (0, CHUNK, [np.zeros(2 * FIRST.size, np.float32)[::2]]),
        (0, CHUNK, [None]),
        (LAYOUT.tail, {**TAIL, "samples": -1}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "samples": 4.0}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "samples": 1 << 63}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "loss_sum": None}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "logs": []}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "logs": {1: [0.0, 1.0]}}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "logs": {"a": [0.0]}}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "logs": {"a": [0.0, "1"]}}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "buffers": {}}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "buffers": [0, 1, 2]}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "buffers": [1, 0, 2, 3]}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "buffers": [0, 1, 2, 9]}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "buffers": [0, 1, 2, [3]]}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "buffers": [4]}, TAIL_RAW),
        (LAYOUT.tail, {**TAIL, "buffers": []}, TAIL_RAW),
        (LAYOUT.tail, TAIL, []),
        (LAYOUT.tail, TAIL, [TAIL_RAW[0][:-1]]),
    ],
)
def test_a_malformed_part_is_a_protocol_error(
    index: int, fields: dict[str, Any], arrays: list[Any]
) -> None:
    assert unpack(LAYOUT, 0, CHUNK, CHUNK_RAW)
    assert unpack(LAYOUT, LAYOUT.tail, TAIL, TAIL_RAW)
    with pytest.raises(ProtocolError):
        unpack(LAYOUT, index, fields, arrays)
