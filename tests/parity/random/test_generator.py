"""The generator's draws and states against PyTorch's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dtrain.random import Generator
from tests.parity.random.compare import assert_same, assert_same_states, pair

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

SIZES = [0, 1, 2, 15, 16, 17, 31, 32, 100, 1000]
FLOATS = ["float32", "float64"]
INTEGERS = ["bool", "uint8", "int8", "int16", "int32", "int64"]

# name: arguments, dtypes, and how many ulp a float64 may be apart
DRAWS: dict[str, tuple[tuple[float, ...], list[str], int]] = {
    "normal_": ((0.0, 1.0), FLOATS, 4),
    "normal_ of a mean": ((1.5, 0.3), FLOATS, 4),
    "uniform_": ((0.0, 1.0), FLOATS, 0),
    "uniform_ in a range": ((-0.3, 0.7), FLOATS, 0),
    "bernoulli_": ((0.3,), [*FLOATS, *INTEGERS], 0),
    "exponential_": ((1.7,), FLOATS, 2),
    "geometric_": ((0.3,), [*FLOATS, *INTEGERS[1:]], 0),
    "cauchy_": ((0.0, 3.0), FLOATS, 8),
    "log_normal_": ((0.0, 0.5), FLOATS, 4),
    "random_": ((), [*FLOATS, *INTEGERS], 0),
}


def ours(name: str) -> str:
    method = name.partition(" ")[0].rstrip("_")
    return "bits" if method == "random" else method


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**64 - 1])
def test_every_draw_is_the_same_after_every_other(seed: int) -> None:
    mine, other = pair(seed)
    for size in [*SIZES, *reversed(SIZES)]:
        for name, (arguments, dtypes, ulps) in DRAWS.items():
            for dtype in dtypes:
                draw = getattr(mine, ours(name))
                empty = torch.empty(size, dtype=getattr(torch, dtype))
                expected = getattr(empty, name.partition(" ")[0])(*arguments, generator=other)
                drawn = draw((size,), *arguments, dtype=np.dtype(dtype))
                assert_same(drawn, expected, ulps if dtype == "float64" else 1)
    assert_same_states(mine, other)


@pytest.mark.parametrize("name", ["normal_", "uniform_", "bernoulli_", "random_", "exponential_"])
def test_float32_has_the_same_bits(name: str) -> None:
    mine, other = pair(5)
    arguments = DRAWS[name][0]
    drawn = getattr(mine, ours(name))((50_000,), *arguments, dtype=np.float32)
    assert_same(drawn, getattr(torch.empty(50_000), name)(*arguments, generator=other))


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 10),
        (-5, 7),
        (0, 2**28 - 1),
        (0, 2**28),
        (-(2**40), 2**50),
        (0, 2**63 - 1),
        (-(2**63), 2**63 - 1),
    ],
)
def test_integers_of_a_range(low: int, high: int) -> None:
    mine, other = pair(6)
    for size in (0, 1, 7, 1000):
        expected = torch.randint(low, high, (size,), generator=other)
        assert_same(mine.randint(low, high, (size,)), expected)
    assert_same_states(mine, other)


@pytest.mark.parametrize("dtype", FLOATS)
def test_each_probability_its_own(dtype: str) -> None:
    mine, other = pair(7)
    p = np.linspace(0, 1, 101).astype(dtype)
    expected = torch.empty(101).bernoulli_(torch.from_numpy(p), generator=other)
    assert_same(mine.bernoulli((101,), p), expected)
    assert_same_states(mine, other)


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0**-60, 0.5])
def test_the_ends_of_probability(p: float) -> None:
    mine, other = pair(8)
    assert_same(mine.bernoulli((300,), p), torch.empty(300).bernoulli_(p, generator=other))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 1000, 20_000])
def test_permutations(n: int) -> None:
    mine, other = pair(9)
    assert_same(mine.permutation(n), torch.randperm(n, generator=other))
    assert_same_states(mine, other)


Exchange = Callable[[Generator, Any], None]


def into_ours(mine: Generator, other: Any) -> None:
    mine.set_state(other.get_state().numpy())


def into_theirs(mine: Generator, other: Any) -> None:
    other.set_state(torch.from_numpy(mine.get_state()._array))


@pytest.mark.parametrize("exchange", [into_ours, into_theirs])
@pytest.mark.parametrize("drawn", [0, 1, 5, 311, 312, 313, 1000])
def test_states_are_exchanged(drawn: int, exchange: Exchange) -> None:
    mine, other = Generator(123), torch.Generator().manual_seed(123)
    mine.normal_singly((drawn,))  # an odd number of them leaves one to wait
    torch.empty(drawn, 2)[:, 0].normal_(generator=other)
    if exchange is into_ours:
        mine.manual_seed(1)
    else:
        other.manual_seed(1)
    exchange(mine, other)
    assert_same_states(mine, other)
    assert mine.initial_seed() == other.initial_seed() == 123
    assert_same(mine.normal((3,)), torch.empty(3).normal_(generator=other))
    assert_same(mine.uniform((700,)), torch.empty(700).uniform_(generator=other))


@pytest.mark.parametrize("seed", [0, -1, -(2**63), 2**64 - 1, np.int64(5)])
def test_seeds_are_taken_alike(seed: int) -> None:
    mine, other = Generator().manual_seed(seed), torch.Generator().manual_seed(int(seed))
    assert mine.initial_seed() == other.initial_seed()
    assert_same_states(mine, other)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 1.5, "a"])
def test_bad_seeds_are_refused_alike(seed: Any) -> None:
    with pytest.raises((RuntimeError, ValueError)) as theirs:
        torch.Generator().manual_seed(seed)
    with pytest.raises(theirs.type):
        Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "state",
    [np.zeros(10, np.uint8), np.zeros(5056, np.uint8), np.zeros(5056, np.float32), [1]],
    ids=["short", "invalid", "floats", "list"],
)
def test_bad_states_are_refused_alike(state: Any) -> None:
    theirs = torch.from_numpy(state) if isinstance(state, np.ndarray) else state
    with pytest.raises((RuntimeError, TypeError)) as error:
        torch.Generator().set_state(theirs)
    with pytest.raises(error.type):
        Generator().set_state(state)
