"""Flat vectors, chunks, and the places of parameters."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain.autograd import wrap
from dtrain.errors import ProtocolError
from dtrain.layout import ALIGN_BYTES, Buffer, Layout, TensorSpec
from dtrain.nn import Linear, Module
from tests.compute.jobs import Branches

shapes = st.lists(st.integers(0, 9), max_size=3).map(tuple)
specs = st.lists(
    st.tuples(shapes, st.sampled_from(["float32", "float64", "int64"]), st.booleans()), max_size=8
).map(lambda rows: [TensorSpec(f"p{i}", *row) for i, row in enumerate(rows)])
layouts = st.builds(Layout.build, specs, st.just([]), st.integers(1, 70))


class Tied(Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode = Linear(3, 3)
        self.decode = Linear(3, 3)
        self.decode.weight = self.encode.weight
        self.register_buffer("count", wrap(np.zeros((), np.int64)), rule="count")


@given(layouts)
def test_every_parameter_is_aligned_and_overlaps_no_other(layout: Layout) -> None:
    vectors = layout.allocate()
    for i, parameter in enumerate(layout.parameters):
        view = layout.view(vectors, parameter)
        assert view.ctypes.data % ALIGN_BYTES == 0 or view.size == 0
        assert not view.any()
        view[...] = i + 1
    for i, parameter in enumerate(layout.parameters):
        assert (layout.view(vectors, parameter) == i + 1).all()


@given(layouts)
def test_the_chunks_cover_each_vector_exactly_and_in_order(layout: Layout) -> None:
    covered = dict.fromkeys(layout.vectors, 0)
    for i, chunk in enumerate([*layout.chunks, *layout.frozen]):
        assert (chunk.index, chunk.start) == (i, covered[chunk.vector])
        assert 0 < chunk.size <= layout.chunk_elements
        assert layout.chunk(i) is chunk
        covered[chunk.vector] = chunk.stop
    assert covered == layout.vectors


@given(layouts)
def test_the_pieces_of_all_chunks_put_each_parameter_together(layout: Layout) -> None:
    found: dict[int, list[int]] = {i: [] for i in range(len(layout.parameters))}
    for chunk in (*layout.chunks, *layout.frozen):
        for piece in layout.pieces(chunk):
            assert chunk.start <= piece.lo <= piece.hi <= chunk.stop
            found[piece.parameter] += range(piece.lo, piece.hi)
    for i, p in enumerate(layout.parameters):
        assert found[i] == list(range(p.start, p.start + p.size))


@given(layouts)
def test_every_parameter_has_a_chunk_even_without_elements(layout: Layout) -> None:
    touched = {i for chunk in (*layout.chunks, *layout.frozen) for i in chunk.parameters}
    assert touched == set(range(len(layout.parameters)))


@given(layouts)
def test_a_layout_comes_back_from_plain_json(layout: Layout) -> None:
    again = Layout.from_dict(json.loads(json.dumps(layout.to_dict())))
    assert again == layout
    assert again.hash() == layout.hash()


def test_tied_parameters_have_one_place() -> None:
    names = [p.name for p in Layout.of(Tied(), 64).parameters]
    assert names == ["encode.weight", "encode.bias", "decode.bias"]


def test_frozen_parameters_have_chunks_of_their_own_after_the_others() -> None:
    layout = Layout.of(Branches(), 16)
    [frozen] = layout.frozen
    assert frozen.index == len(layout.chunks)
    assert [layout.parameters[i].name for i in frozen.parameters] == ["scale"]
    assert frozen.vector == "float32/frozen"


def test_each_dtype_has_a_vector_of_its_own() -> None:
    rows = [TensorSpec("a", (3,), "float32", True), TensorSpec("b", (2,), "float64", True)]
    assert Layout.build(rows, [], 100).vectors == {"float32": 16, "float64": 8}


def test_buffers_are_listed_with_their_rules() -> None:
    assert Layout.of(Tied(), 64).buffers == (Buffer("count", (), "int64", "count"),)


def test_the_chunk_size_changes_the_hash() -> None:
    assert Layout.of(Tied(), 64).hash() != Layout.of(Tied(), 32).hash()


GOOD: dict[str, Any] = {
    "parameters": [["w", [2, 3], "float32", True]],
    "buffers": [["n", [], "int64", "count"]],
    "chunk_elements": 64,
}


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        {},
        {**GOOD, "more": 1},
        {**GOOD, "chunk_elements": 0},
        {**GOOD, "chunk_elements": "64"},
        {**GOOD, "parameters": None},
        {**GOOD, "parameters": [["w", [2, 3], "float32"]]},
        {**GOOD, "parameters": [["w", [2, -3], "float32", True]]},
        {**GOOD, "parameters": [["w", [True], "float32", True]]},
        {**GOOD, "parameters": [["w", [2, 3], "object", True]]},
        {**GOOD, "parameters": [["w", [2, 3], "float32", 1]]},
        {**GOOD, "parameters": GOOD["parameters"] * 2},
        {**GOOD, "buffers": [["n", [], "int64", "sum"]]},
        {**GOOD, "buffers": [["n", [], "int64", []]]},
        {**GOOD, "buffers": [["w", [], "int64", "count"]]},
    ],
    ids=lambda plain: str(plain)[:60],
)
def test_a_malformed_layout_is_a_protocol_error(plain: Any) -> None:
    assert Layout.from_dict(GOOD).parts == 2
    with pytest.raises(ProtocolError):
        Layout.from_dict(plain)
