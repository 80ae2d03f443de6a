"""A problem to minimize, and the two sides of it: PyTorch's optimizers and dtrain's."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dtrain import optim
from dtrain.autograd import Tensor, wrap

Array = NDArray[Any]


class Problem:
    """Least squares, 60 equations in 24 unknowns of shape (4, 6): values and gradients in NumPy,
    so that both sides differ by their optimizers alone."""

    def __init__(self, dtype: str) -> None:
        rng = np.random.default_rng(0)
        self.x, self.y = rng.standard_normal((60, 24)), rng.standard_normal(60)
        self.start = rng.standard_normal((4, 6)).astype(dtype)

    def loss(self, w: Array) -> float:
        return float(((self.x @ w.astype(np.float64).ravel() - self.y) ** 2).mean())

    def gradient(self, w: Array) -> Array:
        residual = self.x @ w.astype(np.float64).ravel() - self.y
        return (2 / 60 * self.x.T @ residual).reshape(w.shape).astype(w.dtype)


def dtrain_curve(
    problem: Problem, w: Tensor, optimizer: optim.Optimizer, steps: int, scheduler: Any = None
) -> list[float]:
    losses = []
    for _ in range(steps):
        losses.append(problem.loss(w._array))
        w.grad = wrap(problem.gradient(w._array))
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return losses


def torch_curve(
    problem: Problem, w: Any, optimizer: Any, steps: int, scheduler: Any = None
) -> list[float]:
    import torch

    losses = []
    for _ in range(steps):
        losses.append(problem.loss(w.detach().numpy()))
        w.grad = torch.from_numpy(problem.gradient(w.detach().numpy()))
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return losses


def in_torch(name: str, options: dict[str, Any], start: Array) -> tuple[Any, Any]:
    import torch

    w = torch.from_numpy(start.copy()).requires_grad_()
    return w, getattr(torch.optim, name)([w], foreach=False, **options)


def in_dtrain(name: str, options: dict[str, Any], start: Array) -> tuple[Tensor, optim.Optimizer]:
    w = wrap(start.copy(), requires_grad=True)
    return w, getattr(optim, name)([w], **options)


def as_arrays(saved: Any) -> Any:
    """A `state_dict` of PyTorch's, with arrays for tensors."""
    import torch

    return _converted(saved, torch.Tensor, lambda tensor: tensor.detach().numpy().copy())


def as_torch(saved: Any) -> Any:
    """A `state_dict` of dtrain's, with PyTorch's tensors."""
    import torch

    return _converted(saved, Tensor, lambda tensor: torch.from_numpy(tensor._array.copy()))


def _converted(value: Any, kind: Any, convert: Any) -> Any:
    if isinstance(value, kind):
        return convert(value)
    if isinstance(value, dict):
        return {key: _converted(each, kind, convert) for key, each in value.items()}
    return value
