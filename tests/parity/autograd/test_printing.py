"""Random tensors are printed letter for letter as by PyTorch."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dtrain.autograd import printing
from tests.autograd.make_printed import FILE, printed
from tests.autograd.printed import CASES

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

Array = np.ndarray[Any, np.dtype[Any]]
CHOICES: dict[str, list[Any]] = {
    "precision": [0, 1, 2, 8],
    "threshold": [0, 5, 100],
    "edgeitems": [0, 1, 2, 5],
    "linewidth": [1, 20, 40, 120],
    "profile": ["default", "short", "full"],
    "sci_mode": [True, False],
}


@pytest.fixture(autouse=True)
def options() -> Iterator[None]:
    yield
    torch.set_printoptions(profile="default")
    printing.set_printoptions(profile="default")


def shape_of(rng: np.random.Generator) -> tuple[int, ...]:
    if rng.random() < 0.8:
        return tuple(rng.choice([0, 1, 1, 2, 3, 4, 5, 7, 8, 12], size=rng.integers(0, 5)).tolist())
    return tuple(rng.choice([1, 2, 6, 7, 40, 300, 1100], size=rng.integers(1, 3)).tolist())


def array_of(rng: np.random.Generator) -> Array:
    shape = shape_of(rng)
    x = rng.normal(size=shape)
    odd = rng.choice([np.inf, -np.inf, 0, -0.0, np.nan], size=shape)
    edges = rng.choice([1e8, 1.0001e8, 1e-4, 0.99e-4, 1000, 999.9, 1, 0.1], size=shape)
    made = [
        rng.integers(-1000, 1000, size=shape) * int(rng.choice([1, 10**6, 10**12])),
        rng.random(shape) < 0.5,
        rng.integers(0, 127, size=shape).astype(rng.choice(["uint8", "int8", "int16", "int32"])),
        x,
        x * 10.0 ** rng.integers(-8, 10),
        x * 10.0 ** rng.integers(-45, 39, size=shape),
        np.round(x * 10 ** rng.integers(0, 5)),
        np.round(x * 5) * 1e6,
        np.where(rng.random(shape) < 0.2, odd, x),
        np.where(rng.random(shape) < 0.3, odd, np.round(x * 5)),
        odd,
        edges,
    ][rng.integers(12)]
    array = np.asarray(made)
    with np.errstate(all="ignore"):
        floating = array.astype(rng.choice(["float32", "float64", "float16"]))
    return floating if array.dtype.kind == "f" else array


def suffixed(rng: np.random.Generator, array: Array) -> tuple[Any, list[str]]:
    tensor = torch.from_numpy(array.copy())
    if array.dtype.kind != "f" or rng.random() < 0.7:
        return tensor, []
    tensor.requires_grad_()
    if rng.random() < 0.5:
        return tensor, ["requires_grad=True"]
    return tensor * 1, ["grad_fn=<MulBackward0>"]


@pytest.mark.parametrize("seed", range(8))
def test_random_tensors_are_printed_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        given = {
            name: rng.choice(choices).item()
            for name, choices in CHOICES.items()
            if rng.random() < 0.15
        }
        for library in (torch, printing):
            library.set_printoptions(profile="default")
            library.set_printoptions(**given)
        array = array_of(rng)
        tensor, suffixes = suffixed(rng, array)
        assert printing.text(array, suffixes) == repr(tensor)


def test_the_options_are_the_same() -> None:
    from torch._tensor_str import get_printoptions

    assert printing.get_printoptions() == get_printoptions()


def test_the_stored_texts_are_those_of_this_pytorch() -> None:
    stored = json.loads(FILE.read_text("utf-8"))
    assert stored == {"/".join(case): printed(torch, case) for case in CASES}
