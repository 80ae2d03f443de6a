"""torch.utils.checkpoint: memory for time. Backward computes again what forward did not keep."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import xxhash

from dtrain.autograd.function import Function
from dtrain.autograd.graph import grad_between
from dtrain.autograd.modes import enable_grad, is_grad_enabled
from dtrain.autograd.node import End, Leaf, Node, sequence
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import attach
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

    Gradients are those of a plain call, also of what the function uses beside its arguments. The
    second time it draws the random numbers of the first, unless `preserve_rng_state` is False. What
    it does to the state of modules happens twice. `use_reentrant` is accepted: there is one way
    here.

    Raises TypeError if the function returns anything but a Tensor, or a tuple or list of these; in
    backward RuntimeError if the second time it returns other numbers than the first, whose
    gradients would be wrong. `determinism_check="none"` leaves that check out.
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    given = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
    inputs = {id(each.edge()): each for each in given if each.wants_grad()}
    state = default_generator.snapshot() if preserve_rng_state else None
    began = sequence()
    outputs = function(*args, **kwargs)
    if not any(each.requires_grad for each in _tensors(outputs)):
        return outputs
    beside = _beside(_tensors(outputs), {*inputs}, began)
    again = functools.partial(function, *args, **kwargs)
    known = None if determinism_check == "none" else _identity(_tensors(outputs))
    parts = _Recomputed.apply(again, state, known, outputs, *inputs.values(), *beside)
    return parts if isinstance(outputs, Tensor) else type(outputs)(parts)


class _Recomputed(Function):
    """Outputs that know only how to be computed again."""

    @staticmethod
    def forward(
        ctx: Any, again: Any, state: Any, known: Any, outputs: Any, *sources: Tensor
    ) -> Any:
        ctx.again, ctx.state, ctx.known = again, state, known
        ctx.save_for_backward(*sources)
        parts = tuple(each.detach() for each in _tensors(outputs))
        pairs = zip(parts, _tensors(outputs), strict=True)
        ctx.mark_non_differentiable(*(part for part, each in pairs if not each.requires_grad))
        return parts[0] if isinstance(outputs, Tensor) else parts

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        edges = [each.edge() for each in ctx.saved_tensors]
        recording = is_grad_enabled()
        with enable_grad(), _drawing_again(ctx.state):
            outputs = _tensors(ctx.again())
        if ctx.known is not None and _identity(outputs) != ctx.known:
            raise RuntimeError(
                "checkpoint: the function returned other numbers when backward called it again; it "
                "must not change its inputs in place, keep a counter, or draw from another "
                "generator than the default one"
            )
        pairs = zip(outputs, gradients, strict=True)
        ends, starts = zip(*(pair for pair in pairs if pair[0].requires_grad), strict=True)
        return None, None, None, None, *grad_between(ends, starts, edges, recording)


def _tensors(outputs: Any) -> list[Tensor]:
    """Raises TypeError for what is no tensor and no tuple or list of these."""
    found = [outputs] if isinstance(outputs, Tensor) else outputs
    if not isinstance(found, tuple | list) or not all(isinstance(each, Tensor) for each in found):
        raise TypeError("checkpoint: the function must return a Tensor, or a tuple or list of them")
    return list(found)


def _identity(outputs: Sequence[Tensor]) -> list[Any]:
    """What is kept of outputs to know them again: no more than a hash, for memory's sake."""
    arrays = [np.ascontiguousarray(each._array) for each in outputs]
    return [
        (each._array.shape, array.dtype, xxhash.xxh3_64_intdigest(array.data))
        for each, array in zip(outputs, arrays, strict=True)
    ]


def _beside(outputs: Sequence[Tensor], known: set[int], began: int) -> list[Tensor]:
    """What outputs were computed from beside the inputs, whose edges are known: leaves, and tensors
    that were computed before it began. These are stood for by others at the same place."""
    waiting: list[End] = [each.end() for each in outputs]
    found: list[Tensor] = []
    while waiting:
        node, shape, dtype = waiting.pop()
        if node is None or id(node) in known:
            continue
        known.add(id(node))
        if isinstance(node, Leaf) or node.sequence < began:
            found.append(_standing_for(node, shape, dtype))
        else:
            waiting += node.below
    return found


def _standing_for(node: Node, shape: Any, dtype: Any) -> Any:
    """A leaf itself; else a tensor of the same gradient, without memory of its own."""
    return attach(np.broadcast_to(np.zeros((), dtype), shape), node)


@contextmanager
def _drawing_again(state: Any) -> Iterator[None]:
    """The default generator as it was; afterwards as it is."""
    with fork_rng(enabled=state is not None):
        if state is not None:
            default_generator.restore(state)
        yield


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
