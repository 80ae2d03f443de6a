"""The generator: its states, and what holds for its draws without PyTorch at hand."""

import copy
import hashlib
import pickle
from typing import Any

import numpy as np
import pytest

from dtrain import random
from dtrain.random import Generator

# SHA-256, 12 hex digits, of 1,000 draws from seed 3; in float32 these are PyTorch's bits
BITS = {"float32": "387b8b0d3946", "float64": "a8cbe4cb45db"}


def test_a_state_can_be_returned_to() -> None:
    generator = Generator(3)
    generator.normal((5,))  # of a pair, one number waits
    state = generator.get_state()
    first = generator.normal((701,)).tolist()
    generator.manual_seed(4)
    generator.set_state(state)
    assert generator.normal((701,)).tolist() == first
    assert generator.initial_seed() == 3


def test_a_snapshot_can_be_returned_to() -> None:
    generator = Generator(3)
    generator.normal((5,))
    snapshot = generator.snapshot()
    first = generator.normal((3,)).tolist()
    generator.manual_seed(4)
    generator.restore(snapshot)
    assert generator.normal((3,)).tolist() == first


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625])
def test_a_state_says_all_whatever_was_drawn_before(drawn: int) -> None:
    one, other = Generator(2**64 - 1), Generator()
    one.words(drawn)
    other.set_state(one.get_state())
    assert other.words(1300).tolist() == one.words(1300).tolist()
    assert other.initial_seed() == 2**64 - 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_a_copy_goes_on_where_the_original_stands(again: Any) -> None:
    generator = Generator(1)
    generator.normal((3,))
    other = again(generator)
    assert other.normal((4,)).tolist() == generator.normal((4,)).tolist()
    cloned = generator.clone_state()
    assert cloned.normal((4,)).tolist() == generator.normal((4,)).tolist()


def test_one_big_draw_is_many_small_ones() -> None:
    big, small = Generator(1), Generator(1)
    assert big.uniform((10,)).tolist() == [small.uniform(()).item() for _ in range(10)]
    assert big.normal((9,)).tolist() == [small.normal(()).item() for _ in range(9)]


def test_seeding_forgets_the_normal_number_that_waited() -> None:
    generator = Generator(1)
    first = generator.normal((1,)).tolist()
    generator.manual_seed(1)
    assert generator.normal((1,)).tolist() == first


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_have_the_same_bits_on_every_machine(dtype: str) -> None:
    drawn = Generator(3).normal((1000,), 0.0, 1.0, dtype)
    little = drawn.astype(drawn.dtype.newbyteorder("<")).tobytes()
    assert hashlib.sha256(little).hexdigest()[:12] == BITS[dtype]


def test_the_upper_bound_is_never_drawn() -> None:
    """In float32, u * (1 + eps - 1) + 1 rounds up to the bound for every other u."""
    bound = float(np.nextafter(np.float32(1), np.float32(2)))
    assert set(Generator(0).uniform((100,), 1.0, bound).tolist()) == {1.0}


def test_what_is_drawn_in_a_fork_is_not_missed_outside() -> None:
    random.manual_seed(8)
    with random.fork_rng():
        inside = random.randn(3).tolist()
    assert random.randn(3).tolist() == inside
    with random.fork_rng(enabled=False):
        random.randn(3)
    assert random.randn(3).tolist() != inside


def test_seed_starts_from_a_number_that_it_returns() -> None:
    generator = Generator()
    drawn = generator.seed()
    assert generator.initial_seed() == drawn != generator.seed()


def test_a_permutation_of_many_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dtrain.random.generator._MANY", 10)
    order = Generator(0).permutation(100)
    assert sorted(order.tolist()) == list(range(100)) != order.tolist()


@pytest.mark.parametrize(
    ("rate", "tolerance"), [(0.5, 0.05), (4.0, 0.15), (10.0, 0.25), (300.0, 1.5)]
)
def test_poisson_numbers_have_their_mean_and_variance(rate: float, tolerance: float) -> None:
    random.manual_seed(0)
    drawn = random.poisson(random.rand(2000, dtype="float64") * 0 + rate).numpy()
    assert abs(drawn.mean() - rate) < tolerance
    assert abs(drawn.var() / rate - 1) < 0.15
