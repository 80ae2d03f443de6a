"""An array and its place in a graph: the least that an op has to know about a Tensor.

Ops and the graph walk import this file; `Tensor`, which adds PyTorch's methods, is built on top.

A view shares memory with the value it was taken from, and remembers how it was taken. When memory
changes in place, the change is counted in a version that all views of it share: what backward has
saved is checked against it, and a view whose history has changed finds its new place in the graph.
"""

import weakref
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from dtrain.autograd.hooks import Hooks, RemovableHandle, add
from dtrain.autograd.modes import MODE, stack

if TYPE_CHECKING:
    from dtrain.autograd.op import Op

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Version: TypeAlias = list[int]  # [changes of the memory, changes of its history in the graph]

sequence = count().__next__


class Value:
    """An array, whether it requires a gradient, and where that gradient goes."""

    __slots__ = (
        "__weakref__",
        "_array",
        "_grad",
        "_grad_home",
        "_hooks",
        "_leaf",
        "_node",
        "_requires_grad",
        "_version_",
        "_view",
    )

    result: ClassVar[type["Value"]]  # the class of what ops return: Tensor

    def __init__(self, array: Array, requires_grad: bool = False) -> None:
        self._array = array
        self._requires_grad = requires_grad
        self._node: Node | None = None
        self._leaf: weakref.ref[Leaf] | None = None
        self._grad_home: Array | None = None
        self._grad: Any = None
        self._view: View | None = None
        self._version_: Version | None = None
        self._hooks: Hooks | None = None

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

    def version(self) -> Version:
        """The counter of in-place changes, shared by all views of this memory."""
        if self._version_ is None:
            self._version_ = [0, 0]
        return self._version_

    def _bump(self) -> None:
        """Say that the memory was changed in place."""
        self.version()[0] += 1

    def refresh(self) -> None:
        """Find a view's place in the graph again if the history of what it looks at has changed."""
        view = self._view
        if view is None or view.history == self.version()[1]:
            return
        view.history = self.version()[1]
        view.of.refresh()
        before, MODE.enabled = MODE.enabled, True
        try:
            again = view.op(view.of, **view.options)
        finally:
            MODE.enabled = before
        self._node, self._requires_grad = again._node, again._requires_grad


Value.result = Value


class View:
    """How a value was taken from another one, whose memory it shares."""

    __slots__ = ("history", "of", "op", "options")

    def __init__(self, of: Value, op: "Op", options: dict[str, Any]) -> None:
        self.of, self.op, self.options = of, op, options
        self.history = of.version()[1]


class Plan(NamedTuple):
    """Which rules to run, and what to keep for them, when just these inputs need a gradient."""

    needed: tuple[int, ...]
    rules: tuple[tuple[Callable[..., Any], tuple[int, ...]], ...]  # indices in [g, *saved]
    kept: tuple[int, ...]  # indices in [g, out, *inputs, *shapes, *options]
    guarded: tuple[int, ...]  # inputs that are kept and must not be changed in place
    guards_out: bool  # the same for the output
    frees: bool  # whether any array is kept, so that backward frees something


End: TypeAlias = tuple["Node", Any, Any]
Guard: TypeAlias = tuple[Version, int, int]  # version, its count when saved, which input (or -1)


class Node:
    """One recorded call of an op.

    below     an edge, a shape and a dtype for each input in `plan.needed`
    saved     what the rules asked for; None once backward has freed it
    guards    versions of the saved arrays that are the user's: backward checks them
    extras    hooks and the like, which few nodes have
    sequence  grows with time, so a node is always younger than the nodes of its inputs
    """

    __slots__ = ("__weakref__", "below", "extras", "guards", "op", "plan", "saved", "sequence")

    def __init__(self, op: Any, plan: Plan, inputs: Sequence[Any]) -> None:
        self.op, self.plan = op, plan
        self.below: list[End] = [inputs[index].end() for index in plan.needed]
        self.saved: Any = ()
        self.guards: Sequence[Guard] = ()
        self.extras: Extras | None = None
        self.sequence = sequence()
        if MODE.anomaly:
            self.extra().stack = stack()

    def extra(self) -> "Extras":
        """The extras, made when they are first asked for."""
        if self.extras is None:
            self.extras = Extras()
        return self.extras

    def name(self) -> str:
        """As PyTorch names it: MulBackward0."""
        label: str = self.op.label
        return label

    @property
    def next_functions(self) -> "tuple[tuple[Node, int], ...]":
        """The nodes of the inputs that require a gradient."""
        return tuple((edge, 0) for edge, _, _ in self.below)

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_inputs, grad_outputs)` when backward has passed this node."""
        return add(self.extra().after, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_outputs)` when backward reaches this node."""
        return add(self.extra().before, hook)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Extras:
    """What few nodes have.

    hooks   of the tensor that the node made, called with its gradient
    before  of the node, called with a tuple of its output's gradient
    after   of the node, called with the gradients of its inputs and of its output
    keeper  the tensor that wants its gradient kept (`retain_grad`)
    stack   where the op was called, for anomaly detection
    """

    __slots__ = ("after", "before", "hooks", "keeper", "stack")

    def __init__(self) -> None:
        self.hooks: Hooks = {}
        self.before: Hooks = {}
        self.after: Hooks = {}
        self.keeper: weakref.ref[Any] | None = None
        self.stack = ""


class Leaf(Node):
    """The end of a path: a tensor that the user made, whose gradient lands in `.grad`.

    It lives as long as some graph refers to it, so its sequence number is that of the leaf's first
    use there: the leaf is complete, and can be sent away, as soon as backward has passed that use.
    """

    __slots__ = ("tensor",)

    def __init__(self, tensor: Value) -> None:
        self.tensor = tensor
        self.below = []
        self.extras = None
        self.sequence = sequence()

    def name(self) -> str:
        return "AccumulateGrad"

    @property
    def variable(self) -> Value:
        """The tensor; PyTorch's name."""
        return self.tensor

    def accumulate(self, gradient: Any) -> None:
        """Assign the first gradient, add later ones. Recorded gradients are never written into."""
        leaf = self.tensor
        held = leaf._grad
        if isinstance(gradient, Value):
            leaf._grad = gradient if held is None else held + gradient
        elif held is None:
            leaf._grad = Value.result(_settle(gradient, leaf._grad_home))
        elif held._requires_grad:
            leaf._grad = held + gradient
        else:
            held._array += gradient


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


def memory(array: Array) -> Any:
    """The array that owns an array's memory, or the outermost one above memory that is not ours."""
    return array.base if isinstance(array.base, np.ndarray) else array
