"""An array and its place in a graph: the least that an op has to know about a Tensor.

Ops and the graph walk import this file; `Tensor`, which adds PyTorch's methods, is built on top.
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeAlias, TypeVar, overload

import numpy as np

if TYPE_CHECKING:
    from dtrain.autograd.op import Op

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

sequence = count().__next__


class Value:
    """An array, whether it requires a gradient, and where that gradient goes."""

    __slots__ = ("__weakref__", "_array", "_grad_home", "_leaf", "_node", "_requires_grad", "grad")

    result: ClassVar[type["Value"]]  # the class of what ops return: Tensor

    def __init__(self, array: Array, requires_grad: bool = False) -> None:
        self._array = array
        self._requires_grad = requires_grad
        self._node: Node | None = None
        self._leaf: weakref.ref[Leaf] | None = None
        self._grad_home: Array | None = None
        self.grad: Any = None

    def edge(self) -> "Node | None":
        """Where the gradient of this value goes: its node, its Leaf, or nowhere."""
        if self._node is not None or not self._requires_grad:
            return self._node
        leaf = None if self._leaf is None else self._leaf()
        if leaf is None:
            leaf = Leaf(self)
            self._leaf = weakref.ref(leaf)
        return leaf

    def end(self) -> "End":
        """Where the gradient of this value goes, in which shape and dtype."""
        edge = self.edge()
        assert edge is not None
        return edge, self._array.shape, self._array.dtype


Value.result = Value


class Plan(NamedTuple):
    """Which rules to run, and what to keep for them, when just these inputs need a gradient."""

    needed: tuple[int, ...]
    rules: tuple[tuple[Callable[..., Any], tuple[int, ...]], ...]  # indices in [g, *saved]
    kept: tuple[int, ...]  # indices in [g, out, *inputs, *shapes, *options]
    frees: bool  # whether any array is kept, so that backward frees something


End: TypeAlias = tuple["Node", tuple[int, ...], np.dtype[Any]]


class Node:
    """One recorded call of an op.

    `below` has an edge, a shape and a dtype for each input in `plan.needed`.

    `saved` is what the rules asked for, and None once backward has freed it. `sequence` grows with
    time, so a node is always younger than the nodes of its inputs.
    """

    __slots__ = ("__weakref__", "below", "op", "plan", "saved", "sequence")

    def __init__(self, op: "Op", plan: Plan, inputs: Sequence[Any]) -> None:
        self.op, self.plan = op, plan
        self.below = [inputs[index].end() for index in plan.needed]
        self.saved: Any = ()
        self.sequence = sequence()

    def __repr__(self) -> str:
        return f"<{self.op.name.title().replace('_', '')}Backward0>"


class Leaf(Node):
    """The end of a path: a tensor that the user made, whose gradient lands in `.grad`.

    It lives as long as some graph refers to it, so its sequence number is that of the leaf's first
    use there: the leaf is complete, and can be sent away, as soon as backward has passed that use.
    """

    __slots__ = ("tensor",)

    def __init__(self, tensor: Value) -> None:
        self.tensor = tensor
        self.below = []
        self.sequence = sequence()

    def __repr__(self) -> str:
        return "<AccumulateGrad>"

    def accumulate(self, gradient: Any) -> None:
        """Assign the first gradient, add later ones. Recorded gradients are never written into."""
        leaf = self.tensor
        if isinstance(gradient, Value):
            leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient
        elif leaf.grad is None:
            leaf.grad = Value.result(_settle(gradient, leaf._grad_home))
        elif leaf.grad._requires_grad:
            leaf.grad = leaf.grad + gradient
        else:
            leaf.grad._array += gradient


def _settle(gradient: Any, home: Array | None) -> Array:
    """Copy a gradient, which may be a view of something, into its home or a fresh array."""
    if home is None:
        return np.array(gradient, order="C")
    np.copyto(home, gradient)
    return home


def attach(array: Any, edge: Node | None) -> Any:
    """A saved array as the value that it was, in its graph. Numbers and None stay what they are."""
    if isinstance(edge, Leaf):
        return edge.tensor
    if not isinstance(array, np.ndarray):
        return array
    value = Value.result(array)
    value._node, value._requires_grad = edge, edge is not None
    return value


class _Mode(threading.local):
    enabled = True


MODE = _Mode()  # one for each thread, as in PyTorch


def is_grad_enabled() -> bool:
    """Whether ops are recorded in this thread."""
    return MODE.enabled


Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class _GradMode(ContextDecorator):
    enabled: ClassVar[bool]

    @overload
    def __new__(cls) -> Self: ...
    @overload
    def __new__(cls, function: Decorated) -> Decorated: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:
        """`@no_grad` without parentheses decorates at once."""
        made = super().__new__(cls)
        return made if function is None else made(function)

    def __enter__(self) -> Self:
        self._before, MODE.enabled = MODE.enabled, self.enabled
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        MODE.enabled = self._before

    def _recreate_cm(self) -> Self:
        made: Self = type(self)()  # a decorated function may call itself
        return made


class no_grad(_GradMode):
    """Context manager and decorator: ops inside are not recorded."""

    enabled = False


class enable_grad(_GradMode):
    """Context manager and decorator: ops inside are recorded, also within `no_grad`."""

    enabled = True
