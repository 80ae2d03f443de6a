"""Fills in place against PyTorch's, for tensors of all strides."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dtrain import random
from dtrain.autograd import no_grad, wrap
from dtrain.random import fills
from tests.parity.random.compare import assert_same, assert_same_states, pair, seed_both

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

FILLS: dict[str, tuple[Any, ...]] = {
    "uniform_": (-1.0, 2.0),
    "normal_": (1.0, 0.5),
    "random_": (),
    "bernoulli_": (0.4,),
    "exponential_": (2.0,),
    "geometric_": (0.4,),
    "cauchy_": (),
    "log_normal_": (0.0, 0.3),
}
Take = Callable[[Any], Any]
VIEWS: dict[str, Take] = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.transpose(0, 2),
    "swapped": lambda x: x.transpose(0, 1),
    "column": lambda x: x[:, 1],
    "columns": lambda x: x[:, :, 1:4],
    "row": lambda x: x[1],
    "stepped": lambda x: x[::2, :, ::3],
    "stepped and transposed": lambda x: x[:, ::2, ::3].transpose(0, 2),
    "scalar": lambda x: x[1, 1, 1],
    "empty": lambda x: x[:, 1:1],
    "one wide": lambda x: x[:, :, 2:3].transpose(1, 2),
}


def numpy_view(view: Take, array: Any) -> Any:
    class Both:
        """An ndarray whose `transpose` swaps two axes, as a tensor's does."""

        def __init__(self, array: Any) -> None:
            self.array = array

        def __getitem__(self, key: Any) -> "Both":
            return Both(self.array[key] if np.ndim(self.array[key]) else self.array[(*key, ...)])

        def transpose(self, first: int, second: int) -> "Both":
            return Both(self.array.swapaxes(first, second))

    return view(Both(array)).array


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_fill_writes_the_same_in_the_same_order(view: str, dtype: str) -> None:
    mine, other = pair(3)
    for name, arguments in FILLS.items():
        base = np.zeros((4, 3, 7), dtype)
        expected = torch.zeros(4, 3, 7, dtype=getattr(torch, dtype))
        tensor = wrap(numpy_view(VIEWS[view], base))
        getattr(fills, name)(tensor, *arguments, generator=mine)
        getattr(VIEWS[view](expected), name)(*arguments, generator=other)
        assert_same(base, expected, 64)
    assert_same_states(mine, other)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (3, 1, 2, 0), (1, 0, 3, 2), (2, 3, 0, 1)])
def test_any_permutation_of_four_dimensions(axes: tuple[int, ...]) -> None:
    mine, other = pair(4)
    for sizes in [(2, 3, 4, 5), (1, 3, 1, 5), (2, 1, 4, 1)]:
        tensor, expected = wrap(np.zeros(sizes).transpose(axes)), torch.zeros(sizes).permute(axes)
        fills.uniform_(tensor, generator=mine)
        assert_same(tensor, expected.double().uniform_(generator=other))


def test_a_tensor_of_probabilities_is_broadcast() -> None:
    mine, other = pair(5)
    p = np.array([0.1, 0.5, 0.9], np.float32)
    tensor = wrap(np.zeros((3, 40), np.int64).T)
    fills.bernoulli_(tensor, wrap(p), generator=mine)
    expected = torch.zeros(3, 40, dtype=torch.int64).T
    assert_same(tensor, expected.bernoulli_(torch.from_numpy(p), generator=other))


BOUNDS: list[tuple[int | None, ...]] = [
    (5,),
    (2, 9),
    (-3, 5),
    (0, None),
    (3, None),
    (-3, None),
    (-(2**63), None),
    (0, 2**24 + 5),
    (2**24 + 1, 2**24 + 9),
    (5, 3),
    (300,),
    (2**53 + 3,),
    (2**40, 2**40 + 1),
]


@pytest.mark.filterwarnings("ignore:.*out of bounds:UserWarning")  # PyTorch's, for floats
@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int8", "int32", "int64", "bool"])
def test_random_takes_and_refuses_the_same_ranges(
    bounds: tuple[int | None, ...], dtype: str
) -> None:
    mine, other = pair(6)
    tensor = wrap(np.zeros(50, dtype))
    expected = torch.zeros(50, dtype=getattr(torch, dtype))
    try:
        expected.random_(*bounds, generator=other)
    except RuntimeError:
        with pytest.raises(RuntimeError):
            fills.random_(tensor, *bounds, generator=mine)
    else:
        fills.random_(tensor, *bounds, generator=mine)
        assert_same(tensor, expected)
    assert_same_states(mine, other)


REFUSED: list[tuple[str, tuple[Any, ...], str]] = [
    ("uniform_", (2, 1), "float32"),
    ("uniform_", (-3e38, 3e38), "float32"),
    ("uniform_", (-1e40, 3), "float32"),
    ("uniform_", (), "int32"),
    ("normal_", (0, -1), "float32"),
    ("normal_", (0, float("nan")), "float32"),
    ("normal_", (), "int64"),
    ("bernoulli_", (1.5,), "float32"),
    ("bernoulli_", (float("nan"),), "float32"),
    ("exponential_", (0,), "float32"),
    ("exponential_", (), "int32"),
    ("geometric_", (0,), "float32"),
    ("geometric_", (1,), "float32"),
    ("geometric_", (0.5,), "bool"),
    ("cauchy_", (0, -1), "float32"),
    ("cauchy_", (), "int32"),
    ("log_normal_", (0, 0), "float32"),
    ("log_normal_", (), "int32"),
    ("random_", (True,), "int32"),
    ("random_", (2.5,), "int32"),
]


@pytest.mark.parametrize(("name", "arguments", "dtype"), REFUSED)
def test_what_cannot_be_drawn_is_refused_alike(
    name: str, arguments: tuple[Any, ...], dtype: str
) -> None:
    with pytest.raises((RuntimeError, TypeError, NotImplementedError)) as theirs:
        getattr(torch.zeros(2, dtype=getattr(torch, dtype)), name)(*arguments)
    with pytest.raises((RuntimeError, TypeError, NotImplementedError)) as ours:
        getattr(fills, name)(wrap(np.zeros(2, dtype)), *arguments)
    assert ours.type is theirs.type


def test_a_leaf_and_an_expanded_tensor_are_refused() -> None:
    with pytest.raises(RuntimeError, match="leaf"):
        fills.normal_(wrap(np.zeros(3), True))
    with pytest.raises(RuntimeError, match="single memory location"):
        fills.normal_(wrap(np.broadcast_to(np.zeros(1), (3,))))
    with no_grad():
        fills.normal_(wrap(np.zeros(3), True))


def test_what_was_there_before_gets_a_gradient_of_zeros() -> None:
    seed_both(1)
    x, expected = wrap(np.ones(20), True), torch.ones(20, dtype=torch.float64).requires_grad_()
    y, other = x * 2, expected * 2
    fills.normal_(y)
    other.normal_()
    assert_same(y, other, 4)
    (y * x).sum().backward()
    (other * expected).sum().backward()
    assert_same(x.grad, expected.grad, 4)


def test_the_default_generator_draws_where_none_is_named() -> None:
    seed_both(2)
    tensor = wrap(np.zeros(5, np.float32))
    assert_same(fills.uniform_(tensor), torch.zeros(5).uniform_())
    with pytest.raises(TypeError):
        fills.uniform_(tensor, generator=5)  # type: ignore[arg-type]
    assert random.initial_seed() == torch.initial_seed()
