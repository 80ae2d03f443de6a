"""The error function against Python's own, and kernels that run in blocks."""

import math
from typing import Any

import numpy as np
import pytest

from dtrain.autograd.ops import blocks
from dtrain.autograd.ops.activation import gelu, silu
from dtrain.autograd.ops.blocks import in_blocks, polynomial
from dtrain.autograd.ops.special import erf, erfc

rng = np.random.default_rng(3)
# The ends of the pieces that both functions are made of, and much in between.
ENDS = [0.0, 1e-300, 1e-9, 0.25, 0.84375, 1.25, 1 / 0.35, 3.95, 5.9, 6.0]
POINTS = np.concatenate([ENDS, rng.uniform(0, 7, 3000), rng.normal(size=1000) * 0.1])
POINTS = np.concatenate([POINTS, -POINTS])


def ulps(got: Any, exact: Any, dtype: Any) -> Any:
    """The greatest error in units of the last place; Python's own results may be off by one."""
    return np.max(np.abs(got.astype(float) - exact) / np.spacing(np.abs(exact).astype(dtype)))


@pytest.mark.parametrize(("dtype", "most"), [(np.float64, 2.0), (np.float32, 1.0)])
def test_erf_is_right_to_the_last_digit(dtype: Any, most: float) -> None:
    x = POINTS.astype(dtype)
    exact = np.array([math.erf(each) for each in x.tolist()])
    kept = np.abs(exact) > np.finfo(dtype).tiny
    assert ulps(erf(x)[kept], exact[kept], dtype) <= most


@pytest.mark.parametrize(
    ("dtype", "most", "end"), [(np.float64, 4.0, 26.0), (np.float32, 1.0, 9.0)]
)
def test_erfc_is_right_also_where_it_is_tiny(dtype: Any, most: float, end: float) -> None:
    x = np.concatenate([POINTS, rng.uniform(7, end, 1000)]).astype(dtype)
    exact = np.array([math.erfc(each) for each in x.tolist()])
    assert ulps(erfc(x), exact, dtype) <= most


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_error_functions_of_what_is_not_finite(dtype: Any) -> None:
    x = np.array([np.nan, np.inf, -np.inf, -0.0], dtype)
    np.testing.assert_array_equal(erf(x), np.array([np.nan, 1, -1, -0.0], dtype))
    np.testing.assert_array_equal(erfc(x), np.array([np.nan, 0, 2, 1], dtype))
    assert math.copysign(1, erf(x)[3]) == -1


def test_float32_gelu_is_right_to_the_rounding_of_its_factors() -> None:
    x = np.linspace(-12, 12, 100_001).astype(np.float32)
    exact = np.array([each * 0.5 * math.erfc(-each * math.sqrt(0.5)) for each in x.tolist()])
    error = np.abs(gelu(x) - exact) / (1 + np.abs(x))
    assert error.max() < 2e-7


@pytest.mark.parametrize("size", [0, 1, 5, 64, 200])
def test_a_kernel_sees_every_element_once(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 64)
    x = rng.normal(size=size)
    out, seen = np.zeros(size), []

    def kernel(x: Any, out: Any, work: Any) -> None:
        work[...] = 1.0
        np.add(x, work, out=out)
        seen.append(len(x))

    in_blocks(kernel, x, out, scratch=1)
    np.testing.assert_array_equal(out, x + 1)
    assert sum(seen) == size
    assert max(seen, default=0) <= 64


@pytest.mark.parametrize("op", [gelu, silu, erf])
def test_blocks_do_not_change_a_bit(op: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x = rng.normal(size=1000).astype(np.float32)
    whole = op(x)
    monkeypatch.setattr(blocks, "BLOCK", 64)
    np.testing.assert_array_equal(op(x), whole)


def test_a_polynomial_is_the_sum_of_its_terms() -> None:
    x = np.array([0.5, -2.0])
    for coefficients in [(3.0,), (3.0, 2.0), (3.0, 2.0, -1.0, 0.5)]:
        out = np.zeros(2)
        polynomial(x, coefficients, out)
        expected = sum(c * x**k for k, c in enumerate(coefficients))
        np.testing.assert_allclose(out, expected, rtol=1e-15)
