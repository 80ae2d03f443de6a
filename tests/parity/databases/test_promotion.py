"""Arithmetic, comparisons and `where` for every pair of dtypes: tensors, 0-dim tensors, numbers."""

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dtrain

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

DTYPES = ["uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bool"]
NUMBERS = [True, False, 0, 2, -3, 300, 2**40, 0.0, 1.5, -2.0]
VALUES = [0, 1, -7, 5, 100]  # uint8 has no -7, but its value modulo 256
DIVISORS = [1, 2, 5, -3, 100]  # no 0: that is a test of its own
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, name)
    for name in (
        [
            "add",
            "sub",
            "mul",
            "truediv",
            "floordiv",
            "mod",
            "pow",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "and_",
            "or_",
            "xor",
            "lshift",
            "rshift",
        ]
    )
}


def operands(library: Any, values: list[int] = VALUES) -> dict[str, Any]:
    """A vector and a scalar of every dtype, and Python's numbers."""
    made = {name: library.tensor(values).to(getattr(library, name)) for name in DTYPES}
    made |= {f"{name}()": library.tensor(3, dtype=getattr(library, name)) for name in DTYPES}
    return made | {repr(number): number for number in NUMBERS}


def result(function: Callable[..., Any], *args: Any) -> Any:
    """What it returns, or the class of what it raises."""
    try:
        return function(*args)
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
        return type(error)


def difference(one: Any, other: Any) -> str:
    """How dtrain's result differs from PyTorch's; "" if it does not."""
    if isinstance(other, type):
        same = isinstance(one, type) and issubclass(one, other)
        return "" if same else f"{one}, not {other.__name__}"
    if isinstance(one, type) or str(one.dtype) != str(other.dtype):
        return f"{one}, not {other}"
    rtol = 2e-3 if one.dtype == np.float16 else 1e-6
    same = np.allclose(one.numpy(), other.numpy(), rtol=rtol, equal_nan=True)
    return "" if same else f"{one}, not {other}"


def differences(
    mine: Callable[..., Any], theirs: Callable[..., Any], pairs: list[tuple[str, str]]
) -> list[str]:
    """The pairs on which two functions differ."""
    left, other_left = operands(dtrain), operands(torch)
    right, other_right = operands(dtrain, DIVISORS), operands(torch, DIVISORS)
    found = []
    for a, b in pairs:
        text = difference(
            result(mine, left[a], right[b]), result(theirs, other_left[a], other_right[b])
        )
        if text:
            found.append(f"{a}, {b}: {text}")
    return found


NAMES = list(operands(torch))
PAIRS = [
    (a, b)
    for a, b in itertools.product(NAMES, NAMES)
    if not (a[0] in "-0123456789TF" and b[0] in "-0123456789TF")
]


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_gives_pytorchs_dtype_and_values_for_every_pair(name: str) -> None:
    assert not differences(OPERATORS[name], OPERATORS[name], PAIRS)


def test_where_gives_pytorchs_dtype_for_every_pair() -> None:
    mask = [True, False, True, False, True]
    held, held_too = dtrain.tensor(mask), torch.tensor(mask)
    assert not differences(
        lambda a, b: dtrain.where(held, a, b), lambda a, b: torch.where(held_too, a, b), PAIRS
    )


def test_result_type_is_pytorchs_for_every_pair() -> None:
    ours, theirs = operands(dtrain), operands(torch)
    for a, b in PAIRS:
        mine, other = dtrain.result_type(ours[a], ours[b]), torch.result_type(theirs[a], theirs[b])
        assert str(mine) == str(other), (a, b)
