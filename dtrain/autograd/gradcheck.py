"""Gradients against finite differences: how a rule is known to be right."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dtrain.autograd.functions.creation import tensor
from dtrain.autograd.graph import grad
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import Array


class GradcheckError(RuntimeError):
    """A gradient that disagrees with finite differences."""


def gradcheck(
    func: Callable[..., Tensor],
    inputs: Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Compare the gradients of `func(*inputs)` with central differences.

    Every input that is a float64 Tensor with `requires_grad` is checked; `func` returns one Tensor.
    Raises GradcheckError, with both Jacobians, where the two differ by more than
    atol + rtol * |numeric|.
    """
    checked = [each for each in inputs if isinstance(each, Tensor) and each.requires_grad]
    if not checked or any(each.dtype != np.float64 for each in checked):
        raise ValueError("gradcheck needs an input that requires grad, and float64 for each")
    by_backward = _by_backward(func(*inputs), checked)
    for at, each in enumerate(checked):
        numeric = _by_differences(lambda: func(*inputs), each, eps)
        if not np.allclose(by_backward[at], numeric, rtol, atol, equal_nan=True):
            raise GradcheckError(
                f"the gradient for input {at} is wrong\n"
                f"numeric:\n{numeric}\nby backward:\n{by_backward[at]}"
            )
    return True


def gradgradcheck(
    func: Callable[..., Tensor],
    inputs: Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """`gradcheck` of the gradients themselves, as functions of the inputs and of the output's
    gradient: the rules, recorded by `create_graph=True`."""
    places = [at for at, each in enumerate(inputs) if _is_checked(each)]
    seed = np.random.default_rng(0).normal(size=func(*inputs).shape)

    def first(wanted: int) -> Callable[..., Tensor]:
        def gradient(*values: Any) -> Tensor:
            *below, g = values
            out: Tensor = grad(func(*below), [below[wanted]], g, create_graph=True)[0]
            return out

        return gradient

    return all(
        gradcheck(
            first(at),
            [*inputs, tensor(seed, requires_grad=True)],
            eps=eps,
            atol=atol,
            rtol=rtol,
        )
        for at in places
    )


def _is_checked(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _by_backward(out: Tensor, inputs: list[Tensor]) -> list[Array]:
    """The Jacobian for each input, shape (input.numel(), out.numel()), column by column."""
    jacobians = [np.zeros((each.numel(), out.numel())) for each in inputs]
    if not out.requires_grad:
        return jacobians
    for column in range(out.numel()):
        seed = np.zeros(out.numel())
        seed[column] = 1.0
        found = grad(
            out, inputs, tensor(seed.reshape(out.shape)), retain_graph=True, allow_unused=True
        )
        for jacobian, gradient in zip(jacobians, found, strict=True):
            jacobian[:, column] = 0.0 if gradient is None else gradient.detach().numpy().ravel()
    return jacobians


def _by_differences(func: Callable[[], Tensor], at: Tensor, eps: float) -> Array:
    """The same Jacobian by (f(x + eps) - f(x - eps)) / (2 eps), row by row."""
    home = at._array
    jacobian = np.zeros((home.size, func().numel()))
    for row, index in enumerate(np.ndindex(home.shape)):
        for step in (eps, -eps):
            at._array = home.copy()
            at._array[index] += step
            jacobian[row] += func()._array.ravel() / (2 * step)
    at._array = home
    return jacobian
