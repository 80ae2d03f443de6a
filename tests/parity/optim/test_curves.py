"""The same problem, the same start, PyTorch's optimizers beside dtrain's."""

from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import wrap
from tests.optim.test_update import optimizers
from tests.parity.optim.problem import (
    Problem,
    as_arrays,
    as_torch,
    dtrain_curve,
    in_dtrain,
    in_torch,
    torch_curve,
)

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

STEPS = 50
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
OURS_ALONE = {"Lion", "LARS", "LAMB"}  # they have a reference in tests/optim/test_reference.py
CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.02, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 1e-3, "momentum": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.4, 0.95), "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "eps": 1e-4}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adam", {"lr": 1e-3, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.2, "amsgrad": True}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 1e-3, "centered": True, "eps": 1e-2}),
    ("RMSprop", {"lr": 1e-3, "centered": True, "momentum": 0.9, "alpha": 0.9, "eps": 1e-2}),
    ("RMSprop", {"lr": 1e-3, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("Adagrad", {"lr": 1e-2, "maximize": True}),
    ("Adadelta", {"lr": 1.0}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "weight_decay": 0.1, "eps": 1e-4}),
    ("Adadelta", {"lr": 1.0, "maximize": True}),
    ("Adamax", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01, "betas": (0.4, 0.95), "weight_decay": 0.1, "eps": 1e-4}),
    ("Adamax", {"lr": 1e-3, "maximize": True}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "betas": (0.4, 0.95), "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("NAdam", {"lr": 0.01, "momentum_decay": 0.5, "eps": 1e-4}),
    ("NAdam", {"lr": 1e-3, "maximize": True}),
    ("RAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01, "betas": (0.4, 0.95), "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "betas": (0.5, 0.6)}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "eps": 1e-4}),
    ("RAdam", {"lr": 1e-3, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in CASES]


def tensor_of(value: float, like: Any) -> Any:
    """A rate in a 0-dim float32 tensor of PyTorch's or dtrain's."""
    return torch.tensor(value) if like is torch else wrap(np.asarray(value, "float32"))


def test_every_optimizer_has_a_case_or_a_reference() -> None:
    assert {name for name, _ in CASES} == optimizers() - OURS_ALONE


def test_what_pytorch_has_is_compared_with_pytorch() -> None:
    assert not [name for name in OURS_ALONE if hasattr(torch.optim, name)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_50_steps_are_pytorchs(name: str, options: dict[str, Any], dtype: str) -> None:
    problem = Problem(dtype)
    ours = dtrain_curve(problem, *in_dtrain(name, options, problem.start), STEPS)
    theirs = torch_curve(problem, *in_torch(name, options, problem.start), STEPS)
    assert abs(theirs[-1] - theirs[0]) > 0.01 * theirs[0]  # it went somewhere
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_a_rate_in_a_tensor_is_rounded_as_in_pytorch(
    name: str, options: dict[str, Any], dtype: str
) -> None:
    problem = Problem(dtype)
    ours, theirs = (options | {"lr": tensor_of(options["lr"], lib)} for lib in (None, torch))
    curve = dtrain_curve(problem, *in_dtrain(name, ours, problem.start), 20)
    expected = torch_curve(problem, *in_torch(name, theirs, problem.start), 20)
    np.testing.assert_allclose(curve, expected, rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_betas_in_tensors_are_read_as_in_pytorch(name: str) -> None:
    problem = Problem("float64")
    ours, theirs = ({"betas": (tensor_of(0.8, x), tensor_of(0.95, x))} for x in (None, torch))
    curve = dtrain_curve(problem, *in_dtrain(name, ours, problem.start), 20)
    expected = torch_curve(problem, *in_torch(name, theirs, problem.start), 20)
    np.testing.assert_allclose(curve, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop"])
def test_momentum_may_cycle_while_it_trains(name: str) -> None:
    problem = Problem("float64")
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    w, optimizer = in_dtrain(name, options, problem.start)
    theirs, other = in_torch(name, options, problem.start)
    ours = optim.lr_scheduler.OneCycleLR(optimizer, 0.01, 60)
    cycle = torch.optim.lr_scheduler.OneCycleLR(other, 0.01, 60)
    np.testing.assert_allclose(
        dtrain_curve(problem, w, optimizer, STEPS, ours),
        torch_curve(problem, theirs, other, STEPS, cycle),
        rtol=1e-11,
    )


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_no_dimensions_and_no_elements(
    name: str, options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    start, gradient = np.full(shape, 2.0), np.full(shape, 1.0)
    (w, optimizer), (theirs, other) = (f(name, options, start) for f in (in_dtrain, in_torch))
    for _ in range(8):
        w.grad, theirs.grad = wrap(gradient.copy()), torch.from_numpy(gradient.copy())
        optimizer.step()
        other.step()
    np.testing.assert_allclose(w._array, theirs.detach().numpy(), rtol=1e-13)


# ------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_a_state_saved_by_pytorch_is_continued(
    name: str, options: dict[str, Any], dtype: str
) -> None:
    problem = Problem(dtype)
    w, optimizer = in_torch(name, options, problem.start)
    torch_curve(problem, w, optimizer, 20)
    ours, loaded = in_dtrain(name, options | {"lr": 5.0}, w.detach().numpy())
    loaded.load_state_dict(as_arrays(optimizer.state_dict()))
    twin, again = in_torch(name, options | {"lr": 5.0}, w.detach().numpy())
    again.load_state_dict(optimizer.state_dict())
    expected = torch_curve(problem, twin, again, 20)
    np.testing.assert_allclose(
        dtrain_curve(problem, ours, loaded, 20), expected, rtol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_pytorch_continues_a_state_saved_by_dtrain(
    name: str, options: dict[str, Any], dtype: str
) -> None:
    problem = Problem(dtype)
    w, optimizer = in_dtrain(name, options, problem.start)
    dtrain_curve(problem, w, optimizer, 20)
    theirs, loaded = in_torch(name, options | {"lr": 5.0}, w._array)
    loaded.load_state_dict(as_torch(optimizer.state_dict()))
    twin, again = in_dtrain(name, options | {"lr": 5.0}, w._array)
    again.load_state_dict(optimizer.state_dict())
    expected = dtrain_curve(problem, twin, again, 20)
    np.testing.assert_allclose(
        torch_curve(problem, theirs, loaded, 20), expected, rtol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_a_state_before_the_first_step_is_exchanged_too(name: str, options: dict[str, Any]) -> None:
    problem = Problem("float64")
    w, optimizer = in_dtrain(name, options, problem.start)
    theirs, other = in_torch(name, options, problem.start)
    ours, saved = optimizer.state_dict(), other.state_dict()
    other.load_state_dict(as_torch(ours))
    optimizer.load_state_dict(as_arrays(saved))
    expected = torch_curve(problem, theirs, other, 5)
    np.testing.assert_allclose(dtrain_curve(problem, w, optimizer, 5), expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_a_state_has_pytorchs_keys_shapes_and_dtypes(name: str, options: dict[str, Any]) -> None:
    problem = Problem("float64")
    (w, optimizer), (theirs, other) = (
        f(name, options, problem.start) for f in (in_dtrain, in_torch)
    )
    dtrain_curve(problem, w, optimizer, 3)
    torch_curve(problem, theirs, other, 3)
    ours, expected = (as_torch(optimizer.state_dict()), other.state_dict())
    described = [
        {key: (v.shape, v.dtype) for key, v in entries.items()}
        for saved in (ours, expected)
        for entries in saved["state"].values()
        if any(v is not None for v in entries.values())
    ]
    assert described[: len(described) // 2] == described[len(described) // 2 :]
    assert [group | {"foreach": False} for group in ours["param_groups"]] == expected[
        "param_groups"
    ]
