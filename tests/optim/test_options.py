"""What constructors refuse, and which options may be tensors."""

import math
from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import Tensor, wrap
from tests.optim.samples import IDS, SAMPLES, make, parameter, rows

FLAGS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "RAdam"]


def one() -> Tensor:
    return parameter(np.array([1.0], "float32"))


def run(name: str, options: dict[str, Any], gradients: list[Any]) -> bytes:
    weights = parameter(np.ones_like(gradients[0]))
    optimizer = make(name, options, weights)
    for g in gradients:
        weights.grad = wrap(g)
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
        ("Adam", {"betas": (0, 0.9)}, "betas must be either both floats or both Tensors"),
        ("AdamW", {"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
        ("AdamW", {"weight_decay": -1}, "Invalid weight_decay value: -1"),
        ("RMSprop", {"alpha": -1}, "Invalid alpha value: -1"),
        ("RMSprop", {"eps": -1}, "Invalid epsilon value: -1"),
        ("Adagrad", {"lr_decay": -1}, "Invalid lr_decay value: -1"),
        (
            "Adagrad",
            {"initial_accumulator_value": -1},
            "Invalid initial_accumulator_value value: -1",
        ),
        ("NAdam", {"momentum_decay": -1}, "Invalid momentum_decay value: -1"),
        ("NAdam", {"betas": (0.9, 1.0)}, "Invalid beta parameter at index 1: 1.0"),
        ("RAdam", {"weight_decay": -1}, "Invalid weight_decay value: -1"),
        ("Lion", {"betas": (2.0, 0.9)}, "Invalid beta parameter at index 0: 2.0"),
        ("LARS", {"trust_coefficient": -1}, "Invalid trust_coefficient value: -1"),
        ("LAMB", {"eps": -1}, "Invalid epsilon value: -1"),
    ],
)
def test_a_bad_option_is_refused_in_pytorchs_words(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        make(name, options, one())


@pytest.mark.parametrize("name", FLAGS)
def test_foreach_changes_no_bit(name: str) -> None:
    gradients = rows(5, 3, 33, "float32")
    assert run(name, {"foreach": True}, gradients) == run(name, {"foreach": False}, gradients)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_fused_changes_no_bit(name: str) -> None:
    gradients = rows(5, 3, 33, "float32")
    assert run(name, {"fused": True}, gradients) == run(name, {}, gradients)


@pytest.mark.parametrize("name", FLAGS)
def test_a_differentiable_step_is_not_there(name: str) -> None:
    with pytest.raises(NotImplementedError, match="differentiable=True is not supported: a step"):
        make(name, {"differentiable": True}, one())


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "NAdam", "RAdam"])
def test_a_captured_step_is_not_there(name: str) -> None:
    with pytest.raises(NotImplementedError, match="capturable=True is not supported"):
        make(name, {"capturable": True}, one())


def test_a_group_cannot_ask_for_a_differentiable_step_either() -> None:
    with pytest.raises(NotImplementedError, match="differentiable"):
        optim.SGD([{"params": [one()], "differentiable": True}])


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
@pytest.mark.parametrize("kind", [np.float64, lambda lr: wrap(np.asarray(lr, "float64"))])
def test_a_rate_in_float64_gives_the_bits_of_a_python_float(
    name: str, options: dict[str, Any], kind: Any
) -> None:
    gradients = rows(5, 3, 33, "float32")
    other = options | {"lr": kind(options["lr"])}
    assert run(name, other, gradients) == run(name, options, gradients)


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=IDS)
def test_a_rate_in_a_float32_tensor_is_near_a_python_float(
    name: str, options: dict[str, Any]
) -> None:
    gradients = rows(5, 3, 33, "float64")
    other = options | {"lr": wrap(np.asarray([options["lr"]], "float32"))}
    np.testing.assert_allclose(
        np.frombuffer(run(name, other, gradients)),
        np.frombuffer(run(name, options, gradients)),
        rtol=1e-6,
        atol=1e-7,
    )


def test_a_rate_of_several_elements_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Tensor lr must be 1-element$"):
        optim.Adam([one()], lr=wrap(np.ones(2, "float32")))


def test_betas_may_be_tensors() -> None:
    gradients = rows(5, 3, 33, "float32")
    betas = tuple(wrap(np.asarray(beta)) for beta in (0.9, 0.999))
    assert run("Adam", {"betas": betas}, gradients) == run("Adam", {}, gradients)
