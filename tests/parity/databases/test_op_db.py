"""PyTorch's operator database: every entry that dtrain has, in every form that it has."""

import re
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

from tests.parity.databases.entries import (  # noqa: E402  it needs PyTorch
    FEW,
    FLOATS,
    MOST,
    WHOLE,
    Entry,
    Failure,
    entries,
    failures,
    form_failures,
    unraised,
)
from tests.parity.databases.exceptions import (  # noqa: E402
    EXCEPTIONS,
    LENIENT,
    NO_FORM,
    UNLOOKED,
)

ENTRIES = entries()
needed: set[str] = set()  # exceptions that a test has met


def labels(rows: list[Entry]) -> Any:
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.label) for row in rows])


def unknown(row: Entry, dtype: Any, found: list[Failure]) -> list[Failure]:
    """Those that no exception explains; the others are counted as met."""
    known = EXCEPTIONS.get(row.label)
    if known is None:
        return found
    name = str(dtype).removeprefix("torch.")
    left = [each for each in found if not known.concerns(each.call, name)]
    if len(left) < len(found):
        needed.add(row.label)
    return left


def say(found: list[Any]) -> str:
    return "\n" + "\n".join(f"  {each}" for each in found[:5])


@labels([row for row in ENTRIES if row.op.dtypes & set(FLOATS)])
def test_values_and_gradients_are_pytorchs(row: Entry) -> None:
    for dtype in FLOATS:
        if dtype in row.op.dtypes:
            found = unknown(row, dtype, failures(row, dtype, MOST))
            assert not found, say(found)


@labels([row for row in ENTRIES if row.op.dtypes & set(WHOLE)])
def test_values_of_integers_and_bools_are_pytorchs(row: Entry) -> None:
    for dtype in WHOLE:
        if dtype in row.op.dtypes:
            found = unknown(row, dtype, failures(row, dtype, FEW))
            assert not found, say(found)


@labels([row for row in ENTRIES if torch.float64 in row.op.dtypes])
def test_methods_operators_and_in_place_forms_are_pytorchs(row: Entry) -> None:
    for name, failed in form_failures(row, torch.float64, FEW).items():
        found = unknown(row, torch.float64, failed)
        assert not found or name in NO_FORM, f"{name}: {say(found)}"
        if found:
            needed.add(name)


@labels([row for row in ENTRIES if row.op.error_inputs_func is not None])
def test_wrong_arguments_raise_what_pytorch_raises(row: Entry) -> None:
    if row.label in UNLOOKED:
        return
    found = []
    for each in unraised(row):
        words = [text for text in LENIENT if re.search(text, f"{row.label} {each}")]
        needed.update(words)
        found += [] if words else [each]
    assert not found, say(found)


def test_every_exception_is_still_needed(request: pytest.FixtureRequest) -> None:
    every = {item.function for item in request.session.items if item.path == request.path}
    count = len([item for item in request.session.items if item.path == request.path])
    if len(every) < 5 or count < 2 * len(ENTRIES):
        pytest.skip("only where all the tests of this file have run")
    certain = {label for label, known in EXCEPTIONS.items() if known.certain}
    assert not sorted({*certain, *NO_FORM, *LENIENT} - needed)
