"""Running the hooks of tensors and nodes: they see Tensors, the walk may be working on arrays."""

from collections.abc import Sequence
from typing import Any

from dtrain.autograd.hooks import Hooks
from dtrain.autograd.value import Value


def run_hooks(hooks: Hooks, gradient: Any) -> Any:
    """A gradient through a tensor's hooks; one that returns None leaves it as it is."""
    for hook in list(hooks.values()):
        given = _as_tensor(gradient)
        answer = hook(given)
        if answer is not None:
            gradient = _checked(hook, answer, gradient)
    return gradient


def run_node_prehooks(hooks: Hooks, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
    """The gradients of a node's outputs through its hooks."""
    for hook in list(hooks.values()):
        answer = hook(tuple(_as_tensor(each) for each in gradients))
        if answer is not None:
            gradients = tuple(_all_checked(hook, answer, gradients))
    return gradients


def run_node_hooks(hooks: Hooks, inputs: Sequence[Any], output: Any) -> Sequence[Any]:
    """The gradients of a node's inputs through its hooks, which also see the output's."""
    for hook in list(hooks.values()):
        answer = hook(tuple(_as_tensor(each) for each in inputs), (_as_tensor(output),))
        if answer is not None:
            inputs = _all_checked(hook, answer, inputs)
    return inputs


def _as_tensor(gradient: Any) -> Any:
    return gradient if gradient is None or isinstance(gradient, Value) else Value.result(gradient)


def _all_checked(hook: Any, answer: Any, gradients: Sequence[Any]) -> list[Any]:
    answers = answer if isinstance(answer, tuple) else (answer,)
    return [_checked(hook, *pair) for pair in zip(answers, gradients, strict=True)]


def _checked(hook: Any, answer: Any, gradient: Any) -> Any:
    """What a hook returned, in the form of what it was given: an array, or a recorded Tensor."""
    if answer is not None and not isinstance(answer, Value):
        raise TypeError(f"expected Variable, but hook returned '{type(answer).__name__}'")
    if answer is None:
        return None
    if gradient is None:
        return answer._array
    for what, one, other in (
        ("type", answer._array.dtype, gradient.dtype),
        ("size", answer._array.shape, tuple(gradient.shape)),
    ):
        if one != other:
            name = getattr(hook, "__name__", type(hook).__name__)
            raise RuntimeError(f"hook '{name}' has changed the {what} of value: {other} -> {one}")
    return answer if isinstance(gradient, Value) else answer._array
