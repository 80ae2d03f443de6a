"""The same problem, the same start, PyTorch's optimizers beside dtrain's."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dtrain import optim
from dtrain.autograd import Tensor

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")

STEPS = 50
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.02, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 1e-3, "momentum": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.4, 0.95), "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "eps": 1e-4}),
    ("Adam", {"lr": 1e-3, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.2, "amsgrad": True}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in CASES]


class Problem:
    """Least squares, 60 equations in 24 unknowns of shape (4, 6): values and gradients in NumPy,
    so that both sides differ by their optimizers alone."""

    def __init__(self, dtype: str) -> None:
        rng = np.random.default_rng(0)
        self.x, self.y = rng.standard_normal((60, 24)), rng.standard_normal(60)
        self.start = rng.standard_normal((4, 6)).astype(dtype)

    def loss(self, w: NDArray[Any]) -> float:
        return float(((self.x @ w.astype(np.float64).ravel() - self.y) ** 2).mean())

    def gradient(self, w: NDArray[Any]) -> NDArray[Any]:
        residual = self.x @ w.astype(np.float64).ravel() - self.y
        return (2 / 60 * self.x.T @ residual).reshape(w.shape).astype(w.dtype)


def dtrain_curve(
    problem: Problem, w: Tensor, optimizer: optim.Optimizer, steps: int
) -> list[float]:
    losses = []
    for _ in range(steps):
        losses.append(problem.loss(w._array))
        w.grad = Tensor(problem.gradient(w._array))
        optimizer.step()
    return losses


def torch_curve(problem: Problem, w: Any, optimizer: Any, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        losses.append(problem.loss(w.detach().numpy()))
        w.grad = torch.from_numpy(problem.gradient(w.detach().numpy()))
        optimizer.step()
    return losses


def in_torch(name: str, options: dict[str, Any], start: NDArray[Any]) -> tuple[Any, Any]:
    w = torch.from_numpy(start.copy()).requires_grad_()
    return w, getattr(torch.optim, name)([w], foreach=False, **options)


def in_dtrain(
    name: str, options: dict[str, Any], start: NDArray[Any]
) -> tuple[Tensor, optim.Optimizer]:
    w = Tensor(start.copy(), requires_grad=True)
    return w, getattr(optim, name)([w], **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_the_loss_follows_pytorchs_curve(name: str, options: dict[str, Any], dtype: str) -> None:
    problem = Problem(dtype)
    ours = dtrain_curve(problem, *in_dtrain(name, options, problem.start), STEPS)
    theirs = torch_curve(problem, *in_torch(name, options, problem.start), STEPS)
    assert abs(theirs[-1] - theirs[0]) > 0.01 * theirs[0]  # it went somewhere
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[dtype])


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_a_state_saved_by_pytorch_is_continued(name: str, options: dict[str, Any]) -> None:
    problem = Problem("float64")
    w, optimizer = in_torch(name, options, problem.start)
    torch_curve(problem, w, optimizer, 20)
    ours, loaded = in_dtrain(name, options | {"lr": 5.0}, w.detach().numpy())
    loaded.load_state_dict(as_arrays(optimizer.state_dict()))
    expected = torch_curve(problem, w, optimizer, 20)
    np.testing.assert_allclose(dtrain_curve(problem, ours, loaded, 20), expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_pytorch_continues_a_state_saved_by_dtrain(name: str, options: dict[str, Any]) -> None:
    problem = Problem("float64")
    w, optimizer = in_dtrain(name, options, problem.start)
    dtrain_curve(problem, w, optimizer, 20)
    theirs, loaded = in_torch(name, options | {"lr": 5.0}, w._array)
    loaded.load_state_dict(as_torch(optimizer.state_dict()))
    expected = dtrain_curve(problem, w, optimizer, 20)
    np.testing.assert_allclose(torch_curve(problem, theirs, loaded, 20), expected, rtol=1e-12)


def as_arrays(saved: dict[str, Any]) -> dict[str, Any]:
    def convert(v: Any) -> Any:
        return v.numpy() if isinstance(v, torch.Tensor) else v

    state = {i: {key: convert(v) for key, v in s.items()} for i, s in saved["state"].items()}
    return saved | {"state": state}


def as_torch(saved: dict[str, Any]) -> dict[str, Any]:
    def convert(v: Any) -> Any:
        return torch.from_numpy(v._array.copy()) if isinstance(v, Tensor) else v

    state = {i: {key: convert(v) for key, v in s.items()} for i, s in saved["state"].items()}
    return saved | {"state": state}
