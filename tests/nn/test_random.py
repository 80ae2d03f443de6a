"""The generator, without PyTorch at hand: its published numbers and its state."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dtrain import nn, random


def test_seed_0_draws_pytorchs_numbers() -> None:
    """torch.manual_seed(0); torch.rand(3) (PyTorch 2.13)."""
    assert random.Generator(0).uniform((3,)).tolist() == [
        0.49625658988952637,
        0.7682217955589294,
        0.08847743272781372,
    ]


def test_linear_starts_from_pytorchs_weights() -> None:
    """torch.manual_seed(0); torch.nn.Linear(2, 2) (PyTorch 2.13)."""
    random.manual_seed(0)
    layer = nn.Linear(2, 2)
    assert layer.weight.tolist() == [
        [-0.005293981172144413, 0.37932288646698],
        [-0.5819807648658752, -0.5203874707221985],
    ]
    assert layer.bias.tolist() == [-0.27234524488449097, 0.1896158903837204]


def test_a_state_can_be_returned_to() -> None:
    generator = random.Generator(3)
    generator.uniform((5,))
    state = generator.get_state()
    first = generator.uniform((700,)).tolist()
    generator.manual_seed(4)
    generator.set_state(state)
    assert generator.uniform((700,)).tolist() == first
    assert generator.initial_seed() == 3


def test_one_big_draw_is_many_small_ones() -> None:
    big, small = random.Generator(1), random.Generator(1)
    assert big.uniform((10,)).tolist() == [small.uniform(()).item() for _ in range(10)]


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0.001, 100), st.floats(-100, -0.001))
def test_the_multiply_add_rounds_once(units: list[float], factor: float, term: float) -> None:
    units = [unit for unit in units if unit == 0 or unit > 1e-100]  # no underflow: uniforms
    ours = random._fma64(np.array(units), factor, term).tolist()
    exact = [Fraction(unit) * Fraction(factor) + Fraction(term) for unit in units]
    assert all(
        abs(Fraction(mine) - true) <= Fraction(math.ulp(mine)) * Fraction(1, 2)
        for mine, true in zip(ours, exact, strict=True)
    )
