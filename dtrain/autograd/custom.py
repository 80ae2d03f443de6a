"""What the graph makes of an autograd.Function: its outputs recorded, its backward called."""

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.inplace import move, require_writable
from dtrain.autograd.modes import MODE, enable_grad, no_grad
from dtrain.autograd.node import Node, Plan, nodes_called
from dtrain.autograd.ops.shape import reshape
from dtrain.autograd.value import CUSTOM, Value, attach, detached


def record(function: Any, ctx: Any, args: Any, outputs: Any) -> tuple[Any, ...]:
    """The outputs of a forward as its caller gets them: recorded if an input requires a gradient.

    Raises RuntimeError for inputs that are said to be dirty and are not returned, and for a leaf
    among them that requires a gradient.
    """
    if any(not _is_in(dirty, outputs) for dirty in ctx._dirty):
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. "
            "The inputs that are modified inplace must all be outputs of the Function."
        )
    if not (MODE.enabled and any(ctx.needs_input_grad)):
        made = tuple(_unrecorded(each, ctx, args) for each in outputs)
        ctx._dirty = ctx._plain = ()
        return made
    needed = tuple(at for at, needs in enumerate(ctx.needs_input_grad) if needs)
    op = _CustomOp(function, args, outputs)
    node = nodes_called(op.label)(op, Plan(needed, frees=bool(ctx._saved)), args)
    several = len(outputs) > 1
    nodes = [_pick(node, op, at) if several else node for at in range(len(outputs))]
    made = tuple(_made(*each, ctx, args) for each in zip(outputs, nodes, strict=True))
    _keep(ctx, node, outputs, made)
    return made


def _is_in(value: Any, values: Sequence[Any]) -> bool:
    return any(value is each for each in values)


def _unrecorded(output: Any, ctx: Any, args: Any) -> Any:
    """An output that gets no history, and loses the one that it may have."""
    if not isinstance(output, Value):
        return output
    dirty = _is_in(output, ctx._dirty)
    if dirty:
        output._bump()
    if output.wants_grad() and (output._view is None or _is_in(output, args)):
        return detached(output)
    return output if dirty else _bound(_apart(output, args))


def _made(output: Any, node: Node, ctx: Any, args: Any) -> Any:
    """An output that the function's node, or its part of it, has made."""
    if not isinstance(output, Value):
        return output
    if output._array.dtype.kind != "f" or _is_in(output, ctx._plain):
        return _unrecorded(output, ctx, args)
    if _is_in(output, ctx._dirty):
        require_writable(output, recorded=True)
        result = Value.result(output._array)
        result._node, result._requires_grad = node, True
        move(output, result)
        output._grad = None  # as in PyTorch: what it retained was another tensor's
        return output
    output = _bound(_apart(output, args))
    output._node, output._requires_grad = node, True
    return output


def _apart(output: Value, args: Any) -> Value:
    """An input that is passed through is not itself any more, but a view."""
    if not _is_in(output, args):
        return output
    with no_grad():
        view: Value = reshape(output, shape=output._array.shape)
    return view


def _bound(output: Value) -> Value:
    """A view is not changed in place: that would go round the function's backward."""
    if output._view is not None:
        output._view.bound = CUSTOM
    return output


def _keep(ctx: Any, node: Node, outputs: Sequence[Any], made: Sequence[Any]) -> None:
    """Saved tensors as what is known of them now: later they may be elsewhere in the graph, and a
    context that held them would hold itself."""
    values = [each for each in ctx._saved if isinstance(each, Value)]
    node.guards = [(each.version(), each.version()[0], 0) for each in values]
    ends = {id(each): out for each, out in zip(outputs, made, strict=True)}
    ctx._saved = tuple(
        Saved(each, ends.get(id(each))) if isinstance(each, Value) else each for each in ctx._saved
    )
    ctx._dirty = ctx._plain = ()
    node.saved = ctx


class Saved:
    """An input, an output or something else that backward will need."""

    def __init__(self, value: Value, output: Value | None) -> None:
        self.array, self.version = value._array, value.version()
        self.edge = value.edge() if output is None else None
        made = None if output is None else output._node
        self.maker = None if made is None else weakref.ref(made)

    def value(self) -> Any:
        """It again, in its graph; a leaf is the leaf itself."""
        edge = self.edge if self.maker is None else self.maker()
        return attach(self.array, edge, self.version)


class Bundle:
    """The gradients of several outputs on their way to the one node that made them."""

    shape = dtype = None

    def __init__(self, parts: dict[int, Any]) -> None:
        self.parts = parts

    def __add__(self, other: "Bundle") -> "Bundle":
        parts = dict(self.parts)
        for at, part in other.parts.items():
            parts[at] = parts[at] + part if at in parts else part
        return Bundle(parts)


class _Pick:
    """The op of a node that stands for one of several outputs."""

    def __init__(self, label: str, at: int) -> None:
        self.label, self.name, self.output_nr = label, label, at

    def pull(self, node: Node, g: Any) -> Sequence[Any]:
        return [Bundle({self.output_nr: g})]


def _pick(node: Node, op: "_CustomOp", at: int) -> Node:
    picked = nodes_called(op.label)(_Pick(op.label, at), Plan(()), ())
    picked.below = [(node, None, None)]
    return picked


class _CustomOp:
    """What a Function looks like to the graph walk."""

    def __init__(self, function: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.function = function
        self.numbers = [at for at, each in enumerate(inputs) if not isinstance(each, Value)]
        self.name, self.label = function.__name__, f"{function.__name__}Backward"
        self.outputs = [
            (each._array.shape, each._array.dtype) if isinstance(each, Value) else None
            for each in outputs
        ]

    def require_unchanged(self, node: Node) -> None:
        """Raises RuntimeError if a saved tensor was changed in place."""
        for version, count, _ in node.guards:
            if version[0] != count:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation: a tensor saved by {self.name} is at version {version[0]}; "
                    f"expected version {count} instead."
                )

    def pull(self, node: Node, g: Any) -> Sequence[Any]:
        """The gradients of the inputs, from the user's backward."""
        ctx = node.saved
        parts = g.parts if isinstance(g, Bundle) else {0: g}
        recorded = any(isinstance(part, Value) for part in parts.values())
        given = [self._given(parts.get(at), at, ctx) for at in range(len(self.outputs))]
        with enable_grad() if recorded else no_grad():
            answer = self.function.backward(ctx, *given)
        answers = self._checked(answer if isinstance(answer, tuple) else (answer,), node)
        return answers if recorded else [None if each is None else each._array for each in answers]

    def _given(self, part: Any, at: int, ctx: Any) -> Any:
        output = self.outputs[at]
        if part is None and output is not None and ctx._materializes:
            return Value.result(np.zeros(*output))
        return part if part is None or isinstance(part, Value) else Value.result(part)

    def _checked(self, answers: Sequence[Any], node: Node) -> list[Any]:
        """The gradients that are wanted, out of those that were returned.

        Raises RuntimeError, as PyTorch does, for too many or too few of them, for what is no
        tensor or belongs to none, and for a shape that is not the input's, nor sums to it.
        """
        needs = node.saved.needs_input_grad
        for each in answers:
            if each is not None and not isinstance(each, Value):
                raise RuntimeError(f"expected Variable or None (got {type(each).__name__})")
        if len(answers) < len(needs) or any(each is not None for each in answers[len(needs) :]):
            raise RuntimeError(
                f"function {self.label} returned an incorrect number of gradients "
                f"(expected {len(needs)}, got {len(answers)})"
            )
        for at in self.numbers:
            if answers[at] is not None:
                raise RuntimeError(
                    f"function {self.label} returned a gradient different than None at position "
                    f"{at + 1}, but the corresponding forward input was not a Variable"
                )
        wanted = [answers[at] for at in node.plan.needed]
        for at, (each, (_, shape, _)) in enumerate(zip(wanted, node.below, strict=True)):
            if each is not None and not _sums_to(each._array.shape, shape):
                raise RuntimeError(
                    f"Function {self.label} returned an invalid gradient at index {at} - got "
                    f"{list(each._array.shape)} but expected shape compatible with {list(shape)}"
                )
        return wanted


def _sums_to(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    ends = shape[len(shape) - len(wanted) :]
    return len(wanted) <= len(shape) and all(
        one == other or other == 1 for one, other in zip(ends, wanted, strict=True)
    )


def refuse(answer: Any, sources: Sequence[Value]) -> Any:
    """A gradient, as a value that cannot be differentiated."""
    if not isinstance(answer, Value):
        return answer
    out = Value.result(answer._array)
    out._node = nodes_called("Error")(_Refusal(), Plan(tuple(range(len(sources)))), sources)
    out._requires_grad = True
    return out


class _Refusal:
    """The op of what must not be differentiated."""

    name, label = "error", "Error"

    def pull(self, node: Node, g: Any) -> Sequence[Any]:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
