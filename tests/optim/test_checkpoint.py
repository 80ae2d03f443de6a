"""`state_dict` and `load_state_dict`."""

from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import Tensor, wrap
from tests.optim.samples import IDS, SAMPLES, make, parameter, rows


def one(value: float = 1.0) -> Tensor:
    return parameter(np.array([value], "float32"))


def run(optimizer: optim.Optimizer, weights: Tensor, gradients: list[Any]) -> bytes:
    for g in gradients:
        weights.grad = wrap(g)
        optimizer.step()
    return weights._array.tobytes()


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_a_loaded_state_continues_to_the_same_bits(name: str, options: dict[str, Any]) -> None:
    start, *gradients = rows(5, 7, 33, "float32")
    whole, first = parameter(start.copy()), parameter(start.copy())
    expected = run(make(name, options, whole), whole, gradients)
    before = make(name, options, first)
    run(before, first, gradients[:3])
    second = parameter(first._array.copy())
    after = make(name, options | {"lr": 9.0}, second)
    after.load_state_dict(before.state_dict())
    assert run(after, second, gradients[3:]) == expected


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_a_loaded_state_is_a_copy(name: str, options: dict[str, Any]) -> None:
    w = parameter(rows(5, 1, 33, "float32")[0])
    optimizer = make(name, options, w)
    run(optimizer, w, rows(6, 1, 33, "float32"))
    other = make(name, options, parameter(w._array.copy()))
    other.load_state_dict(optimizer.state_dict())
    [state] = list(other.state.values()) or [{}]
    kept = {key: tensor._array.copy() for key, tensor in state.items()}
    run(optimizer, w, rows(7, 1, 33, "float32"))
    assert all((state[key]._array == kept[key]).all() for key in kept)


def test_the_state_has_pytorchs_layout() -> None:
    a, b = one(), one()
    a.grad = b.grad = one()
    optimizer = optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.5}], amsgrad=True)
    optimizer.step()
    saved = optimizer.state_dict()
    assert [list(s) for s in saved["state"].values()] == [
        ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    ] * 2
    assert [g["params"] for g in saved["param_groups"]] == [[0], [1]]
    assert saved["state"][0]["step"]._array.dtype == np.float32


def test_a_step_that_is_a_number_is_read_too() -> None:
    w = one()
    w.grad = one()
    optimizer = optim.Adam([w])
    optimizer.step()
    saved = optimizer.state_dict()
    saved["state"][0]["step"] = 7
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert optimizer.state[w]["step"].item() == 8.0


def test_floats_take_the_dtype_of_their_parameter() -> None:
    w = one()
    w.grad = one()
    optimizer = optim.Adam([w])
    optimizer.step()
    double = parameter(np.ones(1, "float64"))
    other = optim.Adam([double])
    other.load_state_dict(optimizer.state_dict())
    dtypes = {key: tensor._array.dtype.name for key, tensor in other.state[double].items()}
    assert dtypes == {"step": "float32", "exp_avg": "float64", "exp_avg_sq": "float64"}


def test_options_that_a_saved_state_lacks_stay() -> None:
    optimizer = optim.SGD([one()], lr=0.5, momentum=0.5)
    saved = optimizer.state_dict()
    saved["param_groups"] = [{"lr": 0.25, "params": [0]}]
    optimizer.load_state_dict(saved)
    [group] = optimizer.param_groups
    assert (group["lr"], group["momentum"]) == (0.25, 0.5)


def test_state_of_no_parameter_is_kept() -> None:
    optimizer = optim.SGD([one()])
    optimizer.load_state_dict(optimizer.state_dict() | {"state": {"mine": {"a": 1}}})
    assert optimizer.state_dict()["state"] == {"mine": {"a": 1}}


def test_loading_another_number_of_groups_is_refused() -> None:
    two = optim.SGD([{"params": [one()]}, {"params": [one()]}]).state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optim.SGD([one()]).load_state_dict(two)


def test_loading_groups_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="doesn't match the size"):
        optim.SGD([one()]).load_state_dict(optim.SGD([one(), one()]).state_dict())


def test_loading_a_state_of_another_shape_is_refused() -> None:
    w = one()
    w.grad = one()
    optimizer = optim.Adam([w])
    optimizer.step()
    wide = optim.Adam([parameter(np.zeros(5, "float32"))])
    with pytest.raises(ValueError, match=r"'exp_avg' has shape \(1,\), its parameter has \(5,\)"):
        wide.load_state_dict(optimizer.state_dict())


def test_a_refused_state_changes_nothing() -> None:
    w = parameter(np.zeros(5, "float32"))
    optimizer, other = optim.Adam([w], lr=0.5), optim.Adam([one()], lr=0.25)
    run(other, other.param_groups[0]["params"][0], [np.ones(1, "float32")])
    with pytest.raises(ValueError, match="has shape"):
        optimizer.load_state_dict(other.state_dict())
    assert (optimizer.param_groups[0]["lr"], dict(optimizer.state)) == (0.5, {})


def test_adamw_stays_decoupled_whatever_is_loaded() -> None:
    optimizer = optim.AdamW([one()])
    optimizer.load_state_dict(optim.Adam([one()]).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True
