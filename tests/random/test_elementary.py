"""Logarithm, exponential, sine and cosine of plain arithmetic."""

import hashlib
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain.random import Generator, elementary

UNITS = Generator(5).units(20_000)
ANGLES = UNITS * (2 * math.pi) - math.pi
FUNCTIONS: list[tuple[str, Callable[[Any], Any], Any]] = [
    ("log", elementary.log, UNITS),
    ("exp", elementary.exp, UNITS * 1400 - 700),
    ("cos", lambda x: elementary.cos_sin(x)[0], ANGLES),
    ("sin", lambda x: elementary.cos_sin(x)[1], ANGLES),
]
# SHA-256, 12 hex digits, of the results for the inputs above
BITS = {"log": "cfc7943e2d67", "exp": "06c234f19971", "cos": "73289c9ff3d3", "sin": "aeae14d124c8"}


@pytest.mark.parametrize(("name", "function", "x"), FUNCTIONS)
def test_a_function_is_within_an_ulp_of_the_c_librarys(
    name: str, function: Callable[[Any], Any], x: Any
) -> None:
    expected = np.array([getattr(math, name)(each) for each in x.tolist()])
    assert (np.abs(function(x) - expected) <= np.spacing(np.abs(expected))).all()


@pytest.mark.parametrize(("name", "function", "x"), FUNCTIONS)
def test_a_function_has_the_same_bits_on_every_machine(
    name: str, function: Callable[[Any], Any], x: Any
) -> None:
    assert hashlib.sha256(function(x).astype("<f8").tobytes()).hexdigest()[:12] == BITS[name]


def test_the_ends_of_the_range() -> None:
    assert elementary.log(np.array([0.0, 1.0])).tolist() == [-math.inf, 0.0]
    assert elementary.exp(np.array([-800.0, 0.0, 800.0])).tolist() == [0.0, 1.0, math.inf]
    assert elementary.log1p(-1e-20) == -1e-20


def test_near_the_zeros_of_cosine_the_relative_error_is_small_too() -> None:
    x = np.array([math.pi / 2, 3 * math.pi / 2, np.nextafter(math.pi / 2, 2)])
    expected = [math.cos(each) for each in x.tolist()]
    np.testing.assert_allclose(elementary.cos_sin(x)[0], expected, rtol=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0.001, 100), st.floats(-100, -0.001))
def test_the_multiply_add_rounds_once(units: list[float], factor: float, term: float) -> None:
    units = [unit for unit in units if unit == 0 or unit > 1e-100]  # no underflow: uniforms
    ours = elementary.multiply_add(np.array(units), factor, term).tolist()
    exact = [Fraction(unit) * Fraction(factor) + Fraction(term) for unit in units]
    assert all(
        abs(Fraction(mine) - true) <= Fraction(math.ulp(mine)) * Fraction(1, 2)
        for mine, true in zip(ours, exact, strict=True)
    )
