"""torch.utils.checkpoint: memory for time. Backward computes again what forward did not keep."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dtrain.autograd.function import Function
from dtrain.autograd.graph import grad
from dtrain.autograd.modes import enable_grad, is_grad_enabled
from dtrain.autograd.node import Leaf
from dtrain.autograd.tensor import Tensor
from dtrain.nn.module import Module
from dtrain.random.default import default_generator, fork_rng

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    determinism_check: str = "default",
    debug: bool = False,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), whose steps are forgotten and computed again by backward.

    Gradients are those of a plain call, also of the parameters that the function uses. The second
    time it draws the random numbers of the first. It must not change tensors in place, nor the
    state of modules, or that happens twice. `use_reentrant` is accepted: there is one way here.
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    before = default_generator.snapshot()
    outputs = function(*args, **kwargs)
    given = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
    inputs = [each for each in given if each.requires_grad]
    leaves = _leaves(_tensors(outputs), inputs)
    if not leaves and not inputs:
        return outputs
    again = functools.partial(function, *args, **kwargs)
    state = before if preserve_rng_state else None
    parts = _Recomputed.apply(again, state, outputs, *inputs, *leaves)
    return parts if isinstance(outputs, Tensor) else type(outputs)(parts)


class _Recomputed(Function):
    """Outputs that know only how to be computed again."""

    @staticmethod
    def forward(ctx: Any, again: Any, state: Any, outputs: Any, *sources: Tensor) -> Any:
        ctx.again, ctx.state = again, state
        ctx.save_for_backward(*sources)
        parts = tuple(each.detach() for each in _tensors(outputs))
        return parts[0] if isinstance(outputs, Tensor) else parts

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        sources = ctx.saved_tensors
        recording = is_grad_enabled()
        with enable_grad(), _drawing_again(ctx.state), _without_hooks(sources):
            outputs = _tensors(ctx.again())
            pairs = [
                (output, gradient)
                for output, gradient in zip(outputs, gradients, strict=True)
                if output.requires_grad
            ]
            found = grad(
                [output for output, _ in pairs], sources, [gradient for _, gradient in pairs],
                create_graph=recording, allow_unused=True,
            )  # fmt: skip
        return None, None, None, *found


def _tensors(outputs: Any) -> list[Tensor]:
    """Raises TypeError for what is no tensor and no tuple or list of these."""
    found = [outputs] if isinstance(outputs, Tensor) else outputs
    if not isinstance(found, tuple | list) or not all(isinstance(each, Tensor) for each in found):
        raise TypeError("checkpoint: the function must return a Tensor, or a tuple or list of them")
    return list(found)


def _leaves(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """The leaves that outputs were computed from, other than by way of the inputs."""
    known = {id(each.edge()) for each in inputs}
    waiting = [each.edge() for each in outputs]
    found: list[Tensor] = []
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in known:
            continue
        known.add(id(node))
        if isinstance(node, Leaf):
            found.append(node.tensor)  # type: ignore[arg-type]  # all values are Tensors
        waiting += [edge for edge, _, _ in node.below]
    return found


@contextmanager
def _drawing_again(state: Any) -> Iterator[None]:
    """The default generator as it was; afterwards as it is."""
    with fork_rng(enabled=state is not None):
        if state is not None:
            default_generator.restore(state)
        yield


@contextmanager
def _without_hooks(leaves: Sequence[Tensor]) -> Iterator[None]:
    """Hooks of leaves are called once, with the gradient as a whole: by the walk outside."""
    kept = [(each, each._hooks) for each in leaves]
    for each, _ in kept:
        each._hooks = None
    try:
        yield
    finally:
        for each, hooks in kept:
            each._hooks = hooks


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A Sequential, or a list of modules, with all segments but the last one checkpointed."""
    modules = list(functions.children()) if isinstance(functions, Module) else list(functions)
    size = len(modules) // segments
    end = 0
    for start in range(0, size * (segments - 1), size):
        end = start + size
        input = checkpoint(_chain(modules[start:end]), input, use_reentrant=use_reentrant, **kwargs)
    return _chain(modules[end:])(input)


def _chain(modules: Sequence[Callable[..., Any]]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for module in modules:
            value = module(value)
        return value

    return run
