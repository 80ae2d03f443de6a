"""Packed sequences against PyTorch's: packing, unpacking, recurrent networks over them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import wrap
from dtrain.nn.utils import rnn
from tests.parity.nn.both import (
    assert_gradient,
    assert_same_error,
    assert_same_module,
    backward,
    inputs,
    modules,
    torch,
)

theirs = torch.nn.utils.rnn
rng = np.random.default_rng(12)
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
SORTED, MIXED = [4, 3, 3, 1], [2, 4, 1, 3]


def packed(lengths: list[int], given: Any, other: Any, batch_first: bool = False) -> Any:
    options = {"batch_first": batch_first, "enforce_sorted": lengths == SORTED}
    return (
        rnn.pack_padded_sequence(given, lengths, **options),
        theirs.pack_padded_sequence(other, lengths, **options),
    )


def assert_same_pack(mine: Any, other: Any) -> None:
    for one, two in zip(mine, other, strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            np.testing.assert_array_equal(one.detach().numpy(), two.detach().numpy())
            assert str(one.dtype) == str(two.dtype)


@pytest.mark.parametrize("lengths", [SORTED, MIXED, [4, 4, 4, 4], [1, 1, 1, 1]])
@pytest.mark.parametrize("batch_first", [False, True])
def test_packing_and_the_way_back(lengths: list[int], batch_first: bool) -> None:
    (x,), (y,) = inputs(rng.normal(size=(4, 4, 3)), dtype="float64")
    options = {"batch_first": batch_first, "enforce_sorted": lengths != MIXED}
    mine = rnn.pack_padded_sequence(x, lengths, **options)
    other = theirs.pack_padded_sequence(y, lengths, **options)
    assert_same_pack(mine, other)
    more: Any = {"padding_value": -1.5, "total_length": 6}
    ours = [rnn.pad_packed_sequence(mine), rnn.pad_packed_sequence(mine, **more)]
    expected = [theirs.pad_packed_sequence(other), theirs.pad_packed_sequence(other, **more)]
    for (_, one), (_, two) in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    backward(tuple(x for x, _ in ours), tuple(x for x, _ in expected), "float64")
    assert_gradient(x, y, "float64")


@pytest.mark.parametrize("lengths", [SORTED, MIXED])
def test_sequences_are_packed_and_unpacked(lengths: list[int]) -> None:
    arrays = [rng.normal(size=(length, 2)) for length in lengths]
    mine = rnn.pack_sequence([wrap(each) for each in arrays], lengths == SORTED)
    assert_same_pack(mine, theirs.pack_sequence(list(map(torch.tensor, arrays)), lengths == SORTED))
    for one, array in zip(rnn.unpack_sequence(mine), arrays, strict=True):
        np.testing.assert_array_equal(one.numpy(), array)
    assert isinstance(mine.float(), rnn.PackedSequence)
    assert mine.to(mine.data.dtype) is mine


NETWORKS: list[Any] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}),
    ("LSTM", {"batch_first": True}),
    ("LSTM", {"num_layers": 2, "bidirectional": True}),
    ("LSTM", {"proj_size": 2, "bidirectional": True, "bias": False}),
    ("LSTM", {"num_layers": 2, "dropout": 0.4}),
    ("GRU", {"bidirectional": True, "batch_first": True}),
    ("GRU", {"num_layers": 3}),
]


def states(name: str, options: Any) -> tuple[Any, ...]:
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    h = rng.normal(size=(count, 4, options.get("proj_size", 5)))
    return (h, rng.normal(size=(count, 4, 5))) if name == "LSTM" else (h,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lengths", [SORTED, MIXED])
@pytest.mark.parametrize(("name", "options"), NETWORKS)
@pytest.mark.parametrize("given", [True, False])
def test_a_network_over_packed_sequences(
    name: str, options: Any, lengths: list[int], given: bool, dtype: str
) -> None:
    mine, other = modules(name, 3, 5, **options, dtype=dtype)
    values = [rng.normal(size=(4, 4, 3)), *(states(name, options) if given else ())]
    (x, *hx), (y, *hy) = inputs(*values, dtype=dtype)
    pack, their_pack = packed(lengths, x, y, options.get("batch_first", False))
    rest = [[] if not h else [tuple(h)] if name == "LSTM" else h for h in (hx, hy)]
    nn_out, last = mine(pack, *rest[0])
    their_out, their_last = other(their_pack, *rest[1])
    assert isinstance(nn_out, rnn.PackedSequence)
    for one, two in zip(nn_out[1:], their_out[1:], strict=True):
        assert (one is None) == (two is None)
        assert one is None or one.tolist() == two.tolist()
    backward((nn_out.data, last), (their_out.data, their_last), dtype)
    for one, two in zip([x, *hx], [y, *hy], strict=True):
        assert_gradient(one, two, dtype)
    assert_same_module(mine, other, dtype)


WRONG: dict[str, Callable[[Any, Any, Any], Any]] = {
    "increasing": lambda r, n, x: r.pack_padded_sequence(x, [1, 3, 2, 1]),
    "too few": lambda r, n, x: r.pack_padded_sequence(x, [3, 2]),
    "none": lambda r, n, x: r.pack_padded_sequence(x, []),
    "zero": lambda r, n, x: r.pack_padded_sequence(x, [3, 2, 1, 0]),
    "two dimensions": lambda r, n, x: r.pack_padded_sequence(x, [[3, 2, 1, 1]]),
    "total length": lambda r, n, x: r.pad_packed_sequence(
        r.pack_padded_sequence(x, SORTED), total_length=2
    ),
    "flat": lambda r, n, x: n.GRU(3, 4)(r.pack_padded_sequence(x[..., 0], SORTED)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_with_packed_sequences_is_told_in_the_same_words(name: str) -> None:
    x = rng.normal(size=(4, 4, 3)).astype(np.float32)
    assert_same_error(
        lambda: WRONG[name](rnn, nn, wrap(x)),
        lambda: WRONG[name](theirs, torch.nn, torch.tensor(x)),
    )
