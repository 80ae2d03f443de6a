"""An array and its place in a graph: the least that an op has to know about a Tensor.

Ops and the graph walk import this file; `Tensor`, which adds PyTorch's methods, is built on top.

A view shares memory with its base, and remembers how it was taken from it. When memory changes in
place, the change is counted in a version that the base and all its views share: what backward has
saved is checked against it, and a view of what has changed finds its place in the graph again.
"""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from dtrain.autograd.hooks import Hooks
from dtrain.autograd.modes import MODE
from dtrain.autograd.node import End, Leaf, Node, Version

if TYPE_CHECKING:
    from dtrain.autograd.op import Op

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Steps: TypeAlias = tuple[tuple["Op", dict[str, Any]], ...]  # ops, each with its options


class Value:
    """An array, whether it requires a gradient, and where that gradient goes. Made by `result`."""

    __slots__ = (
        "__weakref__",
        "_array",
        "_grad",
        "_grad_home",  # the array that the first gradient is written into, if there is one
        "_hooks",  # of a leaf, called with its gradient
        "_landed",  # of a leaf, called when its gradient is in `.grad`
        "_leaf",
        "_node",
        "_requires_grad",  # by itself; see wants_grad
        "_version_",
        "_view",
    )

    result: ClassVar[Callable[..., "Value"]]  # makes what ops return: `tensor.wrap`

    if TYPE_CHECKING:
        _array: Array
        _requires_grad: bool
        _node: Node | None
        _leaf: weakref.ref[Leaf] | None
        _grad_home: Array | None
        _grad: Any
        _view: "View | None"
        _version_: Version | None
        _hooks: Hooks | None
        _landed: Hooks | None

    def wants_grad(self) -> bool:
        """Whether it requires a gradient, by itself or for what it is a view of."""
        view = self._view
        return self._requires_grad or (view is not None and view.base._requires_grad)

    def is_adrift(self) -> bool:
        """Whether it requires a gradient that goes nowhere, as a view made under no_grad does."""
        self.refresh()
        return not self._requires_grad and self.wants_grad()

    def edge(self) -> Node | None:
        """Where the gradient of this value goes: its node, its Leaf, or nowhere."""
        if self._view is not None:
            self.refresh()
        if self._node is not None or not self._requires_grad:
            return self._node
        leaf = None if self._leaf is None else self._leaf()
        if leaf is None:
            leaf = Leaf(self)
            self._leaf = weakref.ref(leaf)
        return leaf

    def end(self) -> End:
        """Where the gradient of this value goes, in which shape and dtype."""
        edge = self._node if self._node is not None and self._view is None else self.edge()
        return edge, self._array.shape, self._array.dtype

    def version(self) -> Version:
        """The counter of in-place changes, shared by all views of this memory."""
        if self._version_ is None:
            self._version_ = [0]
        return self._version_

    def _bump(self) -> None:
        """Say that the memory was changed in place."""
        version = self.version()
        (count,) = version  # an inference tensor's does not let itself be indexed
        version[0] = count + 1

    def refresh(self) -> None:
        """Find a view's place in the graph again if what it looks at has changed since.

        Raises RuntimeError for a view that must not be looked for: see `View.require_free`.
        """
        view = self._view
        if view is None:
            return
        (now,) = self.version()
        if view.version == now:
            return
        if self._node is None and not view.base._requires_grad:
            return
        view.require_free(self._node, "its base or another view of its base has been")
        view.version = now
        self.stand(view.place(self._array))

    def stand(self, node: Node | None) -> None:
        """Take another place in the graph. Hooks stay at the old one; `retain_grad` goes along."""
        before, self._node = self._node, node
        self._requires_grad = node is not None or (before is None and self._requires_grad)
        if before is None or before.extras is None or node is None:
            return
        keeper = before.extras.keeper
        if keeper is not None and keeper() is self:
            before.extras.keeper, node.extra().keeper = None, keeper


class View:
    """How a value was taken from another one, whose memory it shares.

    base     the owner of the memory, which is no view itself
    steps    the ops that take the view from it
    version  of the memory, when the view's place in the graph was found
    bound    why it may not be changed in place and recorded, or ""
    """

    __slots__ = ("base", "bound", "steps", "version")

    def __init__(self, base: Value, steps: Steps, version: int, bound: str) -> None:
        self.base, self.steps, self.version, self.bound = base, steps, version, bound

    def place(self, array: Array) -> Node | None:
        """The node of a new view like this one, with this array, of the base as it is now.

        Raises RuntimeError if the base was given another shape in place, where the steps lead to
        other elements.
        """
        before, MODE.enabled = MODE.enabled, True
        try:
            again = follow(self.base, self.steps)
        except (RuntimeError, IndexError):
            raise RuntimeError(_RESHAPED) from None
        finally:
            MODE.enabled = before
        if not same_place(again._array, array):
            raise RuntimeError(_RESHAPED)
        node: Node | None = again._node
        return node

    def require_free(self, node: Node | None, what: str = "is being") -> None:
        """Raises RuntimeError, as PyTorch does, for a change in place that would be ambiguous."""
        if not self.bound:
            return
        made = "A view was created in" if node is None else f"Output 0 of {node.name()} is a view"
        raise RuntimeError(_BOUND[self.bound].format(made=made, what=what))


_RESHAPED = (
    "the base of this view was given another shape in place (unsqueeze_, t_ and the like) and then "
    "changed; dtrain does not follow the view through that. Take the view afterwards."
)
NO_GRAD, CUSTOM = "no_grad", "custom"
_BOUND = {
    NO_GRAD: (
        "{made} no_grad mode and {what} modified inplace with grad mode enabled. Given that this "
        "use case is ambiguous and error-prone, it is forbidden. You can clarify your code by "
        "moving both the view and the inplace either both inside the no_grad block (if you don't "
        "want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
    ),
    CUSTOM: (
        "{made} and {what} modified inplace. This view was created inside a custom Function (or "
        "because an input was returned as-is) and the autograd logic to handle view+inplace would "
        "override the custom backward associated with the custom Function, leading to incorrect "
        "gradients. This behavior is forbidden. You can fix this by cloning the output of the "
        "custom Function."
    ),
}


def view_of(result: Value, value: Value, op: "Op", options: dict[str, Any]) -> None:
    """Say that `result`, which shares the memory of `value`, was taken from it by an op."""
    above, version = value._view, value.version()
    (count,) = version
    bound = "" if MODE.enabled else NO_GRAD
    step = (op, options)
    result._version_ = version
    if above is None:
        result._view = View(value, (step,), count, bound)
    else:
        result._view = View(above.base, (*above.steps, step), count, bound or above.bound)


def follow(base: Any, steps: Steps) -> Any:
    """A view of a base, a Value or an array, taken step by step."""
    for op, options in steps:
        base = op(base, **options)
    return base


def detached(value: Value) -> Value:
    """A value over the same memory, outside the graph."""
    out = Value.result(value._array)
    out._version_ = value.version()
    return out


def attach(array: Any, edge: Node | None, version: Version | None = None) -> Any:
    """A saved array as the value that it was, in its graph. Numbers and None stay what they are."""
    if isinstance(edge, Leaf):
        return edge.tensor
    if not isinstance(array, np.ndarray):
        return array
    value = Value.result(array)
    value._node, value._requires_grad, value._version_ = edge, edge is not None, version
    return value


def opened(view: Array, base: Array) -> Array:
    """A view, which may be written to as its base may: for NumPy one that is broadcast may not,
    also where no element is there twice."""
    if not view.flags.writeable and base.flags.writeable:
        view.flags.writeable = True
    return view


def require_apart(array: Array) -> None:
    """Raises RuntimeError, as PyTorch does, for an array whose elements share memory."""
    strides = array.strides
    if 0 not in strides or not array.size:
        return
    if any(step == 0 and size > 1 for step, size in zip(strides, array.shape, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )


def same_place(one: Array, other: Array) -> bool:
    """Whether two arrays look at the same elements in the same form."""
    if one.shape != other.shape or (one.strides != other.strides and one.size > 1):
        return False
    places = (each.__array_interface__["data"][0] for each in (one, other))
    return not one.size or next(places) == next(places)


def memory(array: Array) -> Array:
    """The array that owns an array's memory, or the outermost one above memory that is not ours."""
    below: Any = array.base
    while below is not None:  # there may be other objects in between, such as as_strided's
        if isinstance(below, np.ndarray):
            array = below
        below = getattr(below, "base", None)
    return array
