# mypy: disable-error-code="no-any-return"
"""torch.autograd.functional: derivatives of functions, whole or times a vector."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dtrain.autograd.functions.creation import zeros_like
from dtrain.autograd.functions.joining import stack
from dtrain.autograd.graph import grad
from dtrain.autograd.modes import enable_grad
from dtrain.autograd.tensor import Tensor, wrap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Many = Tensor | Sequence[Tensor]


def jacobian(
    func: Callable[..., Any], inputs: Many, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """d out[i] / d in[j], of shape (*out, *in), for each output and input: a tensor if there is one
    of each, else a tuple, or a tuple of tuples by output and input."""
    given, outputs = _applied(func, inputs, create_graph)
    rows = tuple(_rows(out, given, create_graph, strict) for out in _tuple(outputs))
    by_output = rows if isinstance(inputs, Sequence) else tuple(row[0] for row in rows)
    return by_output if isinstance(outputs, Sequence) else by_output[0]


def hessian(
    func: Callable[..., Any], inputs: Many, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """d2 out / d in[i] d in[j] of a function with one number as its output."""

    def slopes(*values: Tensor) -> Any:
        found = jacobian(_single(func), values, create_graph=True)
        return found if isinstance(inputs, Sequence) else found[0]

    return jacobian(slopes, inputs, create_graph=create_graph, strict=strict)


def vjp(
    func: Callable[..., Any], inputs: Many, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> Any:  # fmt: skip
    """The outputs, and the vector v times the Jacobian: one tensor for each input."""
    given, outputs = _applied(func, inputs, create_graph)
    found = _slopes(_tuple(outputs), given, _vector(v, outputs), create_graph, strict)
    return _released(outputs, create_graph), _like(inputs, found, create_graph)


def jvp(
    func: Callable[..., Any], inputs: Many, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> Any:  # fmt: skip
    """The outputs, and the Jacobian times the vector v: one tensor for each output.

    u J is linear in u, so its derivative for u, times v, is J v: backward runs twice.
    """
    given, outputs = _applied(func, inputs, create_graph)
    several = _tuple(outputs)
    with enable_grad():
        zeros = [zeros_like(each).requires_grad_() for each in several]
        pulled = _slopes(several, given, zeros, True, strict)
        found = _slopes(pulled, zeros, _vector(v, inputs), create_graph, strict)
    return _released(outputs, create_graph), _like(outputs, found, create_graph)


def hvp(
    func: Callable[..., Any], inputs: Many, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> Any:  # fmt: skip
    """The output, one number, and the Hessian times the vector v."""
    return vhp(func, inputs, v, create_graph, strict)  # a Hessian is symmetric


def vhp(
    func: Callable[..., Any], inputs: Many, v: Any = None, create_graph: bool = False,
    strict: bool = False,
) -> Any:  # fmt: skip
    """The output, one number, and the vector v times the Hessian."""
    given, output = _applied(_single(func), inputs, create_graph)
    with enable_grad():
        slopes = _slopes([output], given, None, True, strict)
        found = _slopes(slopes, given, _vector(v, inputs), create_graph, strict)
    return _released(output, create_graph), _like(inputs, found, create_graph)


def _applied(func: Callable[..., Any], inputs: Many, create_graph: bool) -> tuple[Any, Any]:
    """Inputs that require a gradient (in the graph if that is wanted), and func of them."""
    for each in _tuple(inputs):
        if not isinstance(each, Tensor):
            raise TypeError(f"The inputs must be Tensors or a tuple of them, not {type(each)}")
    with enable_grad():
        given = [
            each.view_as(each)
            if create_graph and each.requires_grad
            else each.detach().requires_grad_()
            for each in _tuple(inputs)
        ]
        outputs = func(*given)
    for each in _tuple(outputs):
        if not isinstance(each, Tensor):
            raise TypeError(f"The function must return Tensors or a tuple, not {type(each)}")
    return given, outputs


def _single(func: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*values: Tensor) -> Tensor:
        out = func(*values)
        if not isinstance(out, Tensor) or out.numel() != 1:
            raise RuntimeError("The function must return a single Tensor of one element")
        return out.reshape(())

    return checked


def _rows(out: Tensor, given: list[Tensor], create_graph: bool, strict: bool) -> tuple[Tensor, ...]:
    """The Jacobians of one output, a row by an element of it."""
    found: list[Sequence[Tensor]] = []
    for at in range(out.numel()):
        seed = np.zeros(out.numel(), out._array.dtype)
        seed[at] = 1
        vector = wrap(seed.reshape(out._array.shape))
        found.append(_slopes([out], given, [vector], create_graph, strict))
    if not found:
        return tuple(each.new_zeros((*out.shape, *each.shape)) for each in given)
    return tuple(
        stack(list(rows)).reshape(*out.shape, *each.shape)
        for rows, each in zip(zip(*found, strict=True), given, strict=True)
    )


def _slopes(
    outputs: Sequence[Tensor],
    given: Sequence[Tensor],
    vector: Any,
    create_graph: bool,
    strict: bool,
) -> Sequence[Tensor]:
    """grad, with zeros for what does not depend on an input; if strict, a RuntimeError."""
    if strict and not all(each.requires_grad for each in outputs):
        raise RuntimeError("The output does not depend on the inputs: not allowed in strict mode")
    pairs = [
        (out, None if vector is None else vector[at])
        for at, out in enumerate(outputs)
        if out.requires_grad
    ]
    if not pairs:
        return [zeros_like(each) for each in given]
    found = grad(
        [out for out, _ in pairs], list(given), [each for _, each in pairs], retain_graph=True,
        create_graph=create_graph, allow_unused=True,
    )  # fmt: skip
    if strict and any(each is None for each in found):
        raise RuntimeError("An output does not depend on an input: not allowed in strict mode")
    return [
        zeros_like(each) if slope is None else slope
        for slope, each in zip(found, given, strict=True)
    ]


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _vector(v: Any, like: Any) -> list[Tensor]:
    """The vector, a tensor for each of `like`; ones if there is none and `like` is a number."""
    several = _tuple(like)
    if v is None:
        if len(several) != 1 or several[0].numel() != 1:
            raise RuntimeError("The vector v can only be None if it goes with a single element")
        return [zeros_like(several[0]) + 1]
    vector = _tuple(v)
    if [each.shape for each in vector] != [each.shape for each in several]:
        raise RuntimeError("v must have the shapes of what it is multiplied with")
    return list(vector)


def _released(value: Any, create_graph: bool) -> Any:
    if create_graph:
        return value
    released = tuple(each.detach() for each in _tuple(value))
    return released if isinstance(value, tuple | list) else released[0]


def _like(template: Any, found: Sequence[Tensor], create_graph: bool) -> Any:
    several = _released(tuple(found), create_graph)
    return several if isinstance(template, tuple | list) else several[0]
