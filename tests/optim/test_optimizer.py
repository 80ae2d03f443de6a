import math
from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import Tensor, is_grad_enabled, no_grad
from tests.optim.samples import IDS, SAMPLES, make, parameter, rows


def one(value: float = 1.0) -> Tensor:
    return parameter(np.array([value], "float32"))


def run(optimizer: optim.Optimizer, weights: Tensor, gradients: list[Any]) -> bytes:
    for g in gradients:
        weights.grad = Tensor(g)
        optimizer.step()
    return weights._array.tobytes()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SGD", {"lr": -1}, "Invalid learning rate: -1"),
        ("SGD", {"lr": math.nan}, "Invalid learning rate: nan"),
        ("SGD", {"momentum": -0.5}, "Invalid momentum value: -0.5"),
        ("SGD", {"weight_decay": -0.5}, "Invalid weight_decay value: -0.5"),
        ("SGD", {"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
        ("Adam", {"lr": -1.0}, "Invalid learning rate: -1.0"),
        ("Adam", {"eps": -1e-8}, "Invalid epsilon value: -1e-08"),
        ("Adam", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        ("AdamW", {"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
        ("AdamW", {"weight_decay": -1}, "Invalid weight_decay value: -1"),
    ],
)
def test_a_bad_option_is_refused_in_pytorchs_words(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        make(name, options, one())


def test_an_empty_parameter_list_is_refused() -> None:
    with pytest.raises(ValueError, match="optimizer got an empty parameter list"):
        optim.SGD([])


def test_a_tensor_instead_of_a_list_is_refused() -> None:
    with pytest.raises(TypeError, match="should be an iterable of Tensors or dicts"):
        optim.SGD(one())  # type: ignore[arg-type]


def test_a_set_of_parameters_is_refused_because_it_has_no_order() -> None:
    with pytest.raises(TypeError, match="ordered collections"):
        optim.SGD([{"params": {one(), one()}}])


def test_what_is_not_a_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match=r"can only optimize Tensors.*is float"):
        optim.SGD([1.5])  # type: ignore[list-item]


def test_the_result_of_an_op_is_refused() -> None:
    with pytest.raises(ValueError, match="can't optimize a non-leaf Tensor"):
        optim.SGD([one() * 2.0])


def test_a_parameter_in_two_groups_is_refused() -> None:
    w = one()
    with pytest.raises(ValueError, match="some parameters appear in more than one"):
        optim.SGD([{"params": [w]}, {"params": [one(), w]}])


def test_a_group_keeps_its_own_options_and_takes_the_others_from_the_defaults() -> None:
    optimizer = optim.SGD([{"params": [one()], "lr": 0.5}, {"params": one()}], lr=0.1, momentum=0.9)
    assert [(g["lr"], g["momentum"]) for g in optimizer.param_groups] == [(0.5, 0.9), (0.1, 0.9)]


def test_named_parameters_keep_their_names_in_the_state_dict() -> None:
    optimizer = optim.SGD([("weight", one()), ("bias", one())])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_named_and_unnamed_groups_do_not_mix() -> None:
    optimizer = optim.SGD([("weight", one())])
    with pytest.raises(ValueError, match="with/without names"):
        optimizer.add_param_group({"params": [one()]})


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_a_parameter_without_a_gradient_keeps_its_weights_and_has_no_state(
    name: str, options: dict[str, Any]
) -> None:
    reached, unreached = one(), one(3.0)
    optimizer = make(name, options, reached, unreached)
    reached.grad = one()
    optimizer.step()
    assert unreached._array.tolist() == [3.0]
    assert unreached not in optimizer.state


def test_a_step_leaves_the_gradient_as_it_is() -> None:
    w = one()
    w.grad = one(2.0)
    optim.SGD([w], lr=0.1, weight_decay=0.5, maximize=True).step()
    assert w.grad._array.tolist() == [2.0]


def test_plain_sgd_has_no_state() -> None:
    w = one()
    w.grad = one()
    optimizer = optim.SGD([w], lr=0.25)
    optimizer.step()
    assert (w._array.tolist(), optimizer.state_dict()["state"]) == ([0.75], {})


def test_the_closure_runs_with_gradients_enabled_and_its_value_is_returned() -> None:
    optimizer = optim.SGD([one()])
    with no_grad():
        assert optimizer.step(is_grad_enabled) is True


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_a_rate_from_numpy_gives_the_bits_of_a_python_float(
    name: str, options: dict[str, Any]
) -> None:
    start, *gradients = rows(5, 3, 33, "float32")
    one_way, other = parameter(start.copy()), parameter(start.copy())
    expected = run(make(name, options, one_way), one_way, gradients)
    in_numpy = options | {"lr": np.float64(options["lr"])}
    assert run(make(name, in_numpy, other), other, gradients) == expected


def test_zero_grad_forgets_gradients_or_fills_them_with_zeros() -> None:
    a, b = one(), one()
    optimizer = optim.SGD([a])
    a.grad = b.grad = one(2.0)
    optimizer.zero_grad(set_to_none=False)
    assert a.grad._array.tolist() == [0.0]
    optimizer.zero_grad()
    assert (a.grad, b.grad is None) == (None, False)


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


def test_a_loaded_state_is_a_copy() -> None:
    w = one()
    w.grad = one()
    optimizer = optim.Adam([w])
    optimizer.step()
    other = optim.Adam([one()])
    other.load_state_dict(optimizer.state_dict())
    optimizer.step()
    assert float(other.state_dict()["state"][0]["step"]._array) == 1.0


def test_the_state_has_pytorchs_layout() -> None:
    a, b = one(), one()
    a.grad = b.grad = one()
    optimizer = optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.5}], amsgrad=True)
    optimizer.step()
    saved = optimizer.state_dict()
    assert [list(s) for s in saved["state"].values()] == [
        ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"]
    ] * 2
    assert [g["params"] for g in saved["param_groups"]] == [[0], [1]]
    assert saved["state"][0]["step"]._array.dtype == np.float32


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


def test_adamw_stays_decoupled_whatever_is_loaded() -> None:
    optimizer = optim.AdamW([one()])
    optimizer.load_state_dict(optim.Adam([one()]).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_the_printed_form_lists_groups_and_options() -> None:
    text = repr(optim.SGD([one()], lr=0.5))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.5\n")
