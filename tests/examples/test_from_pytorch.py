"""The scripts of examples/from_pytorch print what PyTorch prints."""

import numpy as np
import pytest

from tests.examples.scripts import NAMES, STORED, numbers, run, stored, words

TRAINS = {"quickstart"}  # so many steps in float32 that the last digits go their own ways


def assert_alike(text: str, expected: str, rtol: float, atol: float) -> None:
    """The same words, and numbers that are near."""
    assert words(text) == words(expected)
    np.testing.assert_allclose(numbers(text), numbers(expected), rtol=rtol, atol=atol)


def test_every_script_has_its_text() -> None:
    assert sorted(path.stem for path in STORED.glob("*.txt")) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TRAINS])
def test_a_script_prints_what_pytorch_printed(name: str) -> None:
    assert run(name).text == stored(name)


@pytest.mark.parametrize("name", sorted(TRAINS))
def test_a_training_script_prints_what_pytorch_printed_but_for_the_last_digits(name: str) -> None:
    assert_alike(run(name).text, stored(name), rtol=1e-2, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_prints_what_pytorch_prints(name: str) -> None:
    pytest.importorskip("torch", reason="parity tests compare with PyTorch")
    ours, theirs = run(name), run(name, by_pytorch=True)
    rtol, atol = (1e-2, 0) if name in TRAINS else (1e-6, 1.01e-4)
    assert_alike(ours.text, theirs.text, rtol, atol)
    assert ours.warned == theirs.warned


PUBLISHED = {
    "accumulated_gradients": [
        *("-74.6261", "-122.9075", "-12.5532", "-20.9364", "-48.2813", "-8.3831"),
    ],
    "partial_derivatives": ["tensor(6.)", "tensor(12.)", "z.grad None", "0.4000", "0.8000"],
    "step_by_hand": ["tensor([0.9000, 1.9000]"],
    "detach": ["[None, None, None, None]"],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_numbers_are_printed(name: str) -> None:
    text = run(name).text
    assert [number for number in PUBLISHED[name] if number not in text] == []


def test_accumulated_gradients_never_settle_and_cleared_ones_do() -> None:
    text = run("accumulated_gradients").text.partition("with clearing\n        0")[2]
    rows = [numbers(line) for line in ("        0" + text).splitlines()]
    late = [row for row in rows if row[0] >= 100]
    assert max(row[1] for row in late) > 20 * max(row[2] for row in late)
