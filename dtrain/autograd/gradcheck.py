"""Gradients against finite differences: how a rule is known to be right."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dtrain.autograd.functions.creation import tensor
from dtrain.autograd.graph import grad
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import Array, require_apart

_HARMLESS = {
    "nondet_tol", "check_undefined_grad", "check_grad_dtypes", "check_backward_ad", "fast_mode",
    "masked", "check_rev_over_rev", "gen_non_contig_grad_outputs",
}  # fmt: skip
_ABSENT = {
    "check_forward_ad", "check_batched_grad", "check_batched_forward_grad", "check_fwd_over_rev",
}  # fmt: skip


class GradcheckError(RuntimeError):
    """A gradient that disagrees with finite differences."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **options: Any,
) -> bool:
    """Compare the gradients of `func(*inputs)` with central differences.

    inputs   a Tensor or several; each that requires a gradient is checked
    func     returns a Tensor or several, of which those that require a gradient are checked
    options  PyTorch's further ones: every check is the full one, and nothing here is random

    Raises GradcheckError, with both Jacobians, where the two differ by more than
    atol + rtol * |numeric|; without `raise_exception` it returns False. ValueError if no input
    requires a gradient; RuntimeError for one that is expanded; NotImplementedError for forward mode
    and batched gradients.
    """
    _require_known(options)
    given = _listed(inputs)
    _require_checkable(given)
    try:
        _compare(func, given, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **options: Any,
) -> bool:
    """`gradcheck` of the gradients themselves, as functions of the inputs and of the outputs'
    gradients (random ones unless given): the rules, recorded by `create_graph=True`."""
    _require_known(options)
    given = _listed(inputs)
    _require_checkable(given)
    seeds = _seeds(func, given) if grad_outputs is None else _listed(grad_outputs)

    def first(wanted: int) -> Callable[..., Any]:
        def gradient(*values: Any) -> Any:
            below, above = values[: len(given)], values[len(given) :]
            outputs = _differentiable(func(*below))
            return grad(outputs, [below[wanted]], above, create_graph=True, allow_unused=True)

        return gradient

    return all(
        gradcheck(
            first(at),
            [*given, *seeds],
            eps=eps,
            atol=atol,
            rtol=rtol,
            raise_exception=raise_exception,
        )
        for at in _places(given)
    )


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _require_known(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if name not in _HARMLESS | _ABSENT:
            raise TypeError(f"gradcheck() got an unexpected keyword argument '{name}'")
        if name in _ABSENT and value:
            raise NotImplementedError(f"{name}: dtrain has neither forward mode nor vmap")


def _require_checkable(inputs: list[Any]) -> None:
    checked = _places(inputs)
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    for at in checked:
        array = inputs[at]._array
        if array.dtype != np.float64:
            warnings.warn(
                f"Input #{at} requires gradient and is not a double precision floating point. "
                "This check will likely fail.",
                stacklevel=3,
            )
        require_apart(array)


def _places(inputs: Sequence[Any]) -> list[int]:
    return [at for at, each in enumerate(inputs) if isinstance(each, Tensor) and each.requires_grad]


def _differentiable(outputs: Any) -> list[Tensor]:
    """The outputs that require a gradient; if there are none, all that could, had they a rule."""
    tensors: list[Tensor] = _listed(outputs)
    wanted = [each for each in tensors if each.requires_grad]
    return wanted or [each for each in tensors if each.is_floating_point()]


def _seeds(func: Callable[..., Any], inputs: list[Any]) -> list[Tensor]:
    random = np.random.default_rng(0)
    return [
        tensor(random.normal(size=each.shape), dtype=each.dtype, requires_grad=True)
        for each in _differentiable(func(*inputs))
    ]


def _compare(
    func: Callable[..., Any], inputs: list[Any], eps: float, atol: float, rtol: float
) -> None:
    checked = [inputs[at] for at in _places(inputs)]
    outputs = _differentiable(func(*inputs))
    by_backward = [_by_backward(each, checked) for each in outputs]

    def run() -> list[Array]:
        return [each._array.ravel() for each in _differentiable(func(*inputs))]

    for at, each in enumerate(checked):
        for out, numeric in enumerate(_by_differences(run, each._array, eps)):
            found = by_backward[out][at]
            if not np.allclose(found, numeric, rtol, atol, equal_nan=True):
                raise GradcheckError(
                    f"Jacobian mismatch for output {out} with respect to input {at},\n"
                    f"numerical:\n{numeric}\nanalytical:\n{found}"
                )


def _by_backward(out: Tensor, inputs: list[Tensor]) -> list[Array]:
    """The Jacobian for each input, shape (input.numel(), out.numel()), column by column."""
    jacobians = [np.zeros((each.numel(), out.numel())) for each in inputs]
    if not out.requires_grad:
        return jacobians
    for column in range(out.numel()):
        seed = np.zeros(out.numel())
        seed[column] = 1.0
        above = tensor(seed.reshape(out.shape), dtype=out.dtype)
        found = grad(out, inputs, above, retain_graph=True, allow_unused=True)
        for jacobian, gradient in zip(jacobians, found, strict=True):
            jacobian[:, column] = 0.0 if gradient is None else gradient.detach().numpy().ravel()
    return jacobians


def _by_differences(run: Callable[[], list[Array]], x: Array, eps: float) -> list[Array]:
    """The same Jacobian of each output by (f(x + eps) - f(x - eps)) / (2 eps), row by row.

    `run` is f of the array x, whose elements are changed one by one, and changed back.
    """
    jacobians = [np.zeros((x.size, each.size)) for each in run()]
    for row, index in enumerate(np.ndindex(x.shape)):
        before = x[index]
        try:
            for step in (eps, -eps):
                x[index] = before + step
                for jacobian, out in zip(jacobians, run(), strict=True):
                    jacobian[row] += out / (2 * step)
        finally:
            x[index] = before
    return jacobians
