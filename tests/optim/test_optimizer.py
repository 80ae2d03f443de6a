"""Groups and steps: what all optimizers share."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import Tensor, is_grad_enabled, no_grad, wrap
from tests.optim.samples import IDS, SAMPLES, make, parameter, rows


def one(value: float = 1.0) -> Tensor:
    return parameter(np.array([value], "float32"))


# --------------------------------------------------------------------------------- groups


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


def test_what_is_not_a_group_is_refused() -> None:
    with pytest.raises(TypeError, match="param_group must be a dict, but got <class 'list'>"):
        optim.SGD([one()]).add_param_group([one()])  # type: ignore[arg-type]


def test_the_result_of_an_op_is_refused() -> None:
    with pytest.raises(ValueError, match="can't optimize a non-leaf Tensor"):
        optim.SGD([one() * 2.0])


def test_a_parameter_in_two_groups_is_refused() -> None:
    w = one()
    with pytest.raises(ValueError, match="some parameters appear in more than one"):
        optim.SGD([{"params": [w]}, {"params": [one(), w]}])


def test_a_parameter_twice_in_a_group_is_a_warning_and_steps_twice() -> None:
    w = one()
    with pytest.warns(UserWarning, match="parameter group with duplicate parameters"):
        optimizer = optim.SGD([w, w], lr=0.25)
    w.grad = one()
    optimizer.step()
    assert w._array.tolist() == [0.5]
    assert optimizer.state_dict()["param_groups"][0]["params"] == [0, 0]


def test_a_group_keeps_its_own_options_and_takes_the_others_from_the_defaults() -> None:
    optimizer = optim.SGD([{"params": [one()], "lr": 0.5}, {"params": one()}], lr=0.1, momentum=0.9)
    assert [(g["lr"], g["momentum"]) for g in optimizer.param_groups] == [(0.5, 0.9), (0.1, 0.9)]


def test_a_group_added_later_is_stepped_with_its_own_rate() -> None:
    a, b = one(), one()
    optimizer = optim.SGD([a], lr=0.5)
    optimizer.add_param_group({"params": (p for p in [b]), "lr": 0.25})
    a.grad = b.grad = one()
    optimizer.step()
    assert (a._array.tolist(), b._array.tolist()) == ([0.5], [0.75])


def test_parameters_may_come_from_a_generator() -> None:
    w = one()
    assert optim.SGD(p for p in [w]).param_groups[0]["params"][0] is w


def test_named_parameters_keep_their_names_in_the_state_dict() -> None:
    optimizer = optim.SGD([("weight", one()), ("bias", one())])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_names_for_some_parameters_alone_are_refused() -> None:
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("weight", one()), one()])  # type: ignore[arg-type]


def test_named_and_unnamed_groups_do_not_mix() -> None:
    optimizer = optim.SGD([("weight", one())])
    with pytest.raises(ValueError, match="cannot add param group without names"):
        optimizer.add_param_group({"params": [one()]})


def test_the_printed_form_lists_groups_and_options() -> None:
    text = repr(optim.SGD([one()], lr=0.5))
    assert text.startswith(
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n"
    )
    assert text.endswith("    nesterov: False\n    weight_decay: 0\n)")


# --------------------------------------------------------------------------------- steps


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


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_a_step_leaves_the_gradient_as_it_is(name: str, options: dict[str, Any]) -> None:
    w = one()
    w.grad = one(2.0)
    make(name, options, w).step()
    assert w.grad._array.tolist() == [2.0]


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_a_gradient_without_end_is_no_warning(name: str, options: dict[str, Any]) -> None:
    w = one()
    w.grad = one(np.inf)
    make(name, options, w).step()
    assert w._array.shape == (1,)


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_backward_through_what_a_step_has_changed_is_an_error(
    name: str, options: dict[str, Any]
) -> None:
    w, x = one(), one()
    w.grad = one()
    loss = (w * x).sum()
    make(name, options, w).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


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


def test_zero_grad_forgets_gradients_or_fills_them_with_zeros() -> None:
    a, b = one(), one()
    optimizer = optim.SGD([a])
    a.grad = b.grad = one(2.0)
    optimizer.zero_grad(set_to_none=False)
    assert a.grad._array.tolist() == [0.0]
    optimizer.zero_grad()
    assert (a.grad, b.grad is None) == (None, False)


def test_a_user_may_write_a_step_of_his_own() -> None:
    class Fixed(optim.Optimizer):
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    p._array[...] -= group["lr"]

    w = one()
    called: list[str] = []
    optimizer = Fixed([w], {"lr": 0.25})
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    optimizer.step()
    assert (w._array.tolist(), called) == ([0.75], ["after"])


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_goes_on_to_the_same_bits(name: str, options: dict[str, Any], copied: Any) -> None:
    start, *gradients = rows(5, 4, 33, "float32")
    w = parameter(start.copy())
    optimizer = make(name, options, w)
    w.grad = wrap(gradients[0])
    optimizer.step()
    other = copied(optimizer)
    [same] = other.param_groups[0]["params"]
    for g in gradients[1:]:
        w.grad, same.grad = wrap(g), wrap(g)
        optimizer.step()
        other.step()
    assert same is not w
    assert same._array.tobytes() == w._array.tobytes()
