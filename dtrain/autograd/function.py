"""autograd.Function: an op with a backward that the user writes."""

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dtrain.autograd.modes import MODE, enable_grad, no_grad
from dtrain.autograd.value import Node, Plan, Value, attach


class Context:
    """`ctx`: what forward leaves for backward. Any attribute may be set on it, too."""

    def __init__(self, needs: Sequence[bool]) -> None:
        self.needs_input_grad = tuple(needs)
        self._saved: list[Any] = []
        self._guards: list[Any] = []
        self._plain: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._materializes = True
        self._nodes: list[weakref.ref[Node]] = []  # that made the outputs

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs (or None); a change in place before backward is then an error."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Value):
                raise TypeError(
                    "save_for_backward can only save variables, but argument is of type "
                    f"{type(tensor).__name__}"
                )
        self._saved = list(tensors)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` was given, in the graph."""
        return tuple(
            attach(each.array, self._nodes[each.at]()) if isinstance(each, _Output) else each
            for each in self._saved
        )

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """These outputs have no gradient."""
        self._plain = outputs

    def mark_dirty(self, *inputs: Any) -> None:
        """These inputs were changed in place, and are returned."""
        self._dirty = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (the default) or None for an output that was not used."""
        self._materializes = value

    def _keep(self, outputs: Sequence[Any], nodes: Sequence[Node]) -> None:
        """Saved outputs become arrays: a context that held them would hold itself."""
        self._nodes = [weakref.ref(node) for node in nodes]
        places = {id(output): at for at, output in enumerate(outputs)}
        values = [each for each in self._saved if isinstance(each, Value)]
        self._guards = [(value.version(), value.version()[0], 0) for value in values]
        self._saved = [
            _Output(each._array, places[id(each)]) if id(each) in places else each
            for each in self._saved
        ]


class _Output:
    def __init__(self, array: Any, at: int) -> None:
        self.array, self.at = array, at


class Function:
    """Subclass it with static methods `forward(ctx, *inputs)` and `backward(ctx, *gradients)`;
    call `YourFunction.apply(*inputs)`.

    backward gets a gradient for each output, and returns one for each input, None where there is
    none. With `setup_context(ctx, inputs, output)`, forward takes no ctx.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs, on tensors that are not recorded."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Computes the gradients of the inputs from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    setup_context: Any = None

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """forward, recorded as one op if an input requires a gradient."""
        for each in args:
            if isinstance(each, Value):
                each.refresh()
        needs = [isinstance(each, Value) and each._requires_grad for each in args]
        ctx = Context(needs)
        with no_grad():
            if cls.setup_context is None:
                out = cls.forward(ctx, *args, **kwargs)
            else:
                out = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, out)
        outputs: Any = out if isinstance(out, tuple) else (out,)
        if any(needs) and MODE.enabled:
            outputs = _record(_CustomOp(cls), ctx, args, outputs)
        return tuple(outputs) if isinstance(out, tuple) else outputs[0]


def _record(op: "_CustomOp", ctx: Context, args: Any, outputs: Sequence[Any]) -> list[Any]:
    """The outputs, as values that the function made."""
    needed = tuple(at for at, needs in enumerate(ctx.needs_input_grad) if needs)
    node = Node(op, Plan(needed, (), (), (), False, True), args)
    node.saved = ctx
    op.outputs = [(each._array.shape, each._array.dtype) for each in outputs if _is_value(each)]
    single = len(outputs) == 1
    nodes = [node if single else _pick(node, op, at) for at in range(len(outputs))]
    ctx._keep(outputs, nodes)
    node.guards = ctx._guards
    made = [_made(each, ctx, args, edge) for each, edge in zip(outputs, nodes, strict=True)]
    return made


def _made(output: Any, ctx: Context, args: Any, node: Node) -> Any:
    if not _is_value(output) or any(output is each for each in ctx._plain):
        return output
    if output._array.dtype.kind != "f":
        return output
    if any(output is each for each in args) and not any(output is each for each in ctx._dirty):
        output = Value.result(output._array)  # an input that is passed through
    if any(output is each for each in ctx._dirty):
        output._bump()
    output._node, output._requires_grad = node, True
    return output


def _is_value(each: Any) -> bool:
    return isinstance(each, Value)


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
        self.label, self.name, self.at = label, label, at

    def pull(self, node: Node, g: Any) -> Sequence[Any]:
        return [Bundle({self.at: g})]


def _pick(node: Node, op: "_CustomOp", at: int) -> Node:
    picked = Node(_Pick(op.label, at), Plan((), (), (), (), False, False), ())
    picked.below = [(node, None, None)]
    return picked


class _CustomOp:
    """What a Function looks like to the graph walk."""

    def __init__(self, function: type[Function]) -> None:
        self.function = function
        self.name, self.label = function.__name__, f"{function.__name__}Backward"
        self.outputs: list[Any] = []

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
        ctx: Context = node.saved
        parts = g.parts if isinstance(g, Bundle) else {0: g}
        recorded = any(isinstance(part, Value) for part in parts.values())
        given = [self._given(parts.get(at), at, ctx) for at in range(len(self.outputs))]
        with enable_grad() if recorded else no_grad():
            answer = self.function.backward(ctx, *given)
        answers = list(answer) if isinstance(answer, tuple | list) else [answer]
        count = len(ctx.needs_input_grad)
        if len(answers) < count or any(each is not None for each in answers[count:]):
            raise RuntimeError(
                f"function {self.label} returned an incorrect number of gradients "
                f"(expected {count}, got {len(answers)})"
            )
        wanted = [answers[at] for at in node.plan.needed]
        return wanted if recorded else [_array(each) for each in wanted]

    def _given(self, part: Any, at: int, ctx: Context) -> Any:
        if part is None:
            shape, dtype = self.outputs[at]
            return Value.result(np.zeros(shape, dtype)) if ctx._materializes else None
        return part if isinstance(part, Value) else Value.result(part)


def _array(each: Any) -> Any:
    return each._array if isinstance(each, Value) else each


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a `backward` that cannot be differentiated itself: trying to is an error."""

    @functools.wraps(backward)
    def once(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            answer = backward(ctx, *gradients)
        sources = [each for each in gradients if _is_value(each) and each._requires_grad]
        if not MODE.enabled or not sources:
            return answer
        answers = answer if isinstance(answer, tuple) else (answer,)
        return tuple(_refusing(each, sources) for each in answers)

    return once


def _refusing(answer: Any, sources: Sequence[Value]) -> Any:
    """The answer, as a value that cannot be differentiated."""
    if not _is_value(answer):
        return answer
    needed = tuple(range(len(sources)))
    out = Value.result(answer._array)
    out._node = Node(_Refusal(), Plan(needed, (), (), (), False, False), sources)
    out._requires_grad = True
    return out


class _Refusal:
    """The op of what must not be differentiated."""

    name, label = "error", "Error"

    def pull(self, node: Node, g: Any) -> Sequence[Any]:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
