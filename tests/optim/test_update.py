from typing import Any

import numpy as np
import pytest

from dtrain import optim
from tests.optim.samples import IDS, SAMPLES, Array, make, parameter, rows

N = 1009


def updates(name: str, options: dict[str, Any], dtype: str, width: int) -> list[Array]:
    """Three updates of N elements in slices of `width`, in two alternating weight buffers."""
    start, *gradients = rows(3, 4, N, dtype)
    optimizer = make(name, options, parameter(start))
    group = optimizer.param_groups[0]
    slots = {slot: np.zeros(N, dtype) for slot in optimizer.slots(group)}
    w, out = start.copy(), np.full(N, np.nan, dtype)
    for t, g in enumerate(gradients, 1):
        for lo in range(0, N, width):
            part = slice(lo, lo + width)
            views = {slot: array[part] for slot, array in slots.items()}
            optimizer.update(w[part], g[part].copy(), out[part], views, t, group)
        w, out = out, w
    return [w, *slots.values()]


def test_every_optimizer_has_a_sample() -> None:
    public = {name for name in optim.__all__ if name != "Optimizer"}
    assert public == {name for name, _ in SAMPLES}


@pytest.mark.parametrize("width", [1, 7, 333, 1008])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
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
    optimizer.update(w, g, out, slots, 1, group)
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
