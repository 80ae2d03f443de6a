from typing import Any

import numpy as np
import pytest

from dtrain import optim
from tests.optim.samples import IDS, SAMPLES, Array, make, parameter, rows

N = 509
BY_ELEMENT = [s for s in SAMPLES if getattr(optim, s[0]).scope == "element"]


def updates(name: str, options: dict[str, Any], dtype: str, width: int) -> list[Array]:
    """Three updates of N elements in slices of `width`, in two alternating weight buffers."""
    start, *gradients = rows(3, 4, N, dtype)
    optimizer = make(name, options, parameter(start))
    group = optimizer.param_groups[0]
    slots = {slot: np.zeros(N, dtype) for slot in optimizer.slots(group)}
    scalars: dict[str, Array] = {}
    w, out = start.copy(), np.full(N, np.nan, dtype)
    for t, g in enumerate(gradients, 1):
        before = scalars
        for lo in range(0, N, width):
            part = slice(lo, lo + width)
            views = {slot: array[part] for slot, array in slots.items()}
            scalars = optimizer.scalars(t, group, before)
            optimizer.update(w[part], g[part].copy(), out[part], views | scalars, t, group)
        w, out = out, w
    return [w, *slots.values(), *scalars.values()]


def optimizers() -> set[str]:
    """Names of all that `dtrain.optim` has."""
    public = {name: getattr(optim, name) for name in optim.__all__ if name != "Optimizer"}
    return {name for name, found in public.items() if isinstance(found, type)}


def test_every_optimizer_has_a_sample() -> None:
    assert optimizers() == {name for name, _ in SAMPLES}


@pytest.mark.parametrize("width", [1, 7, 166, 508])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "options"), BY_ELEMENT, ids=[f"{name}-{'-'.join(o)}" for name, o in BY_ELEMENT]
)
def test_any_slicing_gives_the_same_bits(
    name: str, options: dict[str, Any], dtype: str, width: int
) -> None:
    whole, sliced = updates(name, options, dtype, N), updates(name, options, dtype, width)
    assert [a.tobytes() for a in whole] == [a.tobytes() for a in sliced]


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_the_old_weights_are_only_read(name: str, options: dict[str, Any]) -> None:
    w, g = rows(1, 2, N, "float32")
    w.flags.writeable = False
    optimizer = make(name, options, parameter(w))
    group = optimizer.param_groups[0]
    slots = {slot: np.zeros(N, "float32") for slot in optimizer.slots(group)}
    out = np.full(N, np.nan, "float32")
    optimizer.update(w, g, out, slots | optimizer.scalars(1, group, {}), 1, group)
    assert np.isfinite(out).all()


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_in_place_and_into_a_second_buffer_are_the_same(name: str, options: dict[str, Any]) -> None:
    start, *gradients = rows(3, 4, N, "float32")
    local = parameter(start.copy())
    optimizer = make(name, options, local)
    for g in gradients:
        local.grad = parameter(g)
        optimizer.step()
    assert local._array.tobytes() == updates(name, options, "float32", N)[0].tobytes()


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_scalars_are_a_function_that_changes_none_of_its_arguments(
    name: str, options: dict[str, Any]
) -> None:
    optimizer = make(name, options, parameter(np.ones(3, "float32")))
    group = optimizer.param_groups[0]
    first = optimizer.scalars(1, group, {})
    kept = {key: array.copy() for key, array in first.items()}
    assert optimizer.scalars(2, group, first) == optimizer.scalars(2, group, first)
    assert first == kept


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
@pytest.mark.parametrize("shape", [(0,), (3, 0), ()])
def test_no_elements_and_no_dimensions_are_updated_too(
    name: str, options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    w = parameter(np.ones(shape, "float32"))
    optimizer = make(name, options, w)
    for _ in range(7):
        w.grad = parameter(np.ones(shape, "float32"))
        optimizer.step()
    assert w._array.shape == shape
    assert np.isfinite(w._array).all()


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_the_layout_in_memory_changes_no_bit(name: str, options: dict[str, Any]) -> None:
    start, *gradients = rows(3, 4, 28, "float32")
    results = []
    for order in ("C", "F"):
        w = parameter(np.array(start.reshape(4, 7), order=order))
        optimizer = make(name, options, w)
        for g in gradients:
            w.grad = parameter(np.array(g.reshape(4, 7), order=order))
            optimizer.step()
        results.append(w._array.tobytes(order="C"))
    assert results[0] == results[1]
