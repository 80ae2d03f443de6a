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
            gradient = _checked(answer, gradient)
    return gradient


def run_node_prehooks(hooks: Hooks, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
    """The gradients of a node's outputs through its hooks."""
    for hook in list(hooks.values()):
        answer = hook(tuple(_as_tensor(each) for each in gradients))
        if answer is not None:
            answers = answer if isinstance(answer, tuple) else (answer,)
            gradients = tuple(map(_checked, answers, gradients))
    return gradients


def run_node_hooks(hooks: Hooks, inputs: Sequence[Any], output: Any) -> Sequence[Any]:
    """The gradients of a node's inputs through its hooks, which also see the output's."""
    for hook in list(hooks.values()):
        answer = hook(tuple(_as_tensor(each) for each in inputs), (_as_tensor(output),))
        if answer is not None:
            answers = answer if isinstance(answer, tuple) else (answer,)
            inputs = list(map(_checked, answers, inputs))
    return inputs


def _as_tensor(gradient: Any) -> Any:
    return gradient if gradient is None or isinstance(gradient, Value) else Value.result(gradient)


def _checked(answer: Any, gradient: Any) -> Any:
    """What a hook returned, in the form of what it was given: an array, or a recorded Tensor."""
    if answer is None or gradient is None:
        return answer if isinstance(gradient, Value) or answer is None else answer._array
    if not isinstance(answer, Value):
        raise TypeError(f"a hook must return a Tensor or None, not {type(answer).__name__}")
    if answer._array.shape != gradient.shape:
        raise RuntimeError(
            f"hook has changed the size of value: {tuple(gradient.shape)} became "
            f"{answer._array.shape}"
        )
    return answer if isinstance(gradient, Value) else answer._array
