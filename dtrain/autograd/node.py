"""What a graph is made of: a node for each recorded call, a leaf at the end of each path."""

import functools
import weakref
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dtrain.autograd.hooks import Hooks, RemovableHandle, add
from dtrain.autograd.modes import MODE, stack

if TYPE_CHECKING:
    from dtrain.autograd.value import Value

End: TypeAlias = tuple["Node | None", Any, Any]  # where a gradient goes, in which shape and dtype
Version: TypeAlias = list[int]  # one number, shared by all who look at the same memory
Guard: TypeAlias = tuple[Version, int, int]  # version, its count when saved, which input (or OUT)
OUT = -1  # in a guard: the output, where inputs are numbered

sequence = count().__next__
_ENGINE = ("AccumulateGrad", "CopySlices")


class Plan(NamedTuple):
    """Which rules to run, and what to keep for them, when just these inputs need a gradient."""

    needed: tuple[int, ...]
    rules: tuple[tuple[Callable[..., Any], tuple[int, ...]], ...] = ()  # indices in [g, *saved]
    kept: tuple[int, ...] = ()  # indices in [g, out, *inputs, *shapes, *options]
    guarded: tuple[int, ...] = ()  # inputs that are kept and must not be changed in place
    guards_out: bool = False  # the same for the output
    frees: bool = False  # whether any array is kept, so that backward frees something


class Node:
    """One recorded call of an op. Its class is named as PyTorch names it: see `nodes_called`.

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

    def edges(self) -> dict[int, "Node | None"]:
        """The edges by the numbers of the inputs."""
        return {index: end[0] for index, end in zip(self.plan.needed, self.below, strict=True)}

    @property
    def label(self) -> str:
        """As PyTorch prints it: MulBackward0."""
        return type(self).__name__

    def name(self) -> str:
        """As PyTorch names it: its label, but for the two nodes that belong to no function."""
        return f"torch::autograd::{self.label}" if self.label in _ENGINE else self.label

    @property
    def metadata(self) -> dict[str, Any]:
        """What users note down about a node."""
        return self.extra().metadata

    @property
    def next_functions(self) -> "tuple[tuple[Node | None, int], ...]":
        """The nodes of the inputs that have a gradient rule; None where none is required."""
        mask: int = getattr(self.op, "differentiable", -1)
        mask = getattr(self.op, "shown", None) or mask
        if mask < 0:  # any number of inputs
            return tuple((edge, 0) for edge, _, _ in self.below if edge is not None)
        edges = self.edges()
        return tuple((edges.get(at), 0) for at in range(mask.bit_length()) if mask >> at & 1)

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_inputs, grad_outputs)` when backward has passed this node."""
        return add(self.extra().after, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_outputs)` when backward reaches this node."""
        return add(self.extra().before, hook)

    def __repr__(self) -> str:
        return f"<{self.label} object at {id(self):#x}>"


@functools.cache
def nodes_called(label: str) -> type[Node]:
    """The class of the nodes of this name: scripts ask for `type(x.grad_fn).__name__`."""
    return type(label, (Node,), {"__slots__": ()})


def renamed(value: Any, label: str) -> Any:
    """What a function has just made of several ops, where PyTorch has one of this name."""
    if value._node is not None:
        value._node.__class__ = nodes_called(label)
    return value


class Extras:
    """What few nodes have.

    hooks     of the tensor that the node made, called with its gradient
    before    of the node, called with a tuple of its output's gradient
    after     of the node, called with the gradients of its inputs and of its output
    keeper    the tensor that wants its gradient kept (`retain_grad`)
    stack     where the op was called, for anomaly detection
    metadata  the user's notes
    """

    __slots__ = ("after", "before", "hooks", "keeper", "metadata", "stack")

    def __init__(self) -> None:
        self.hooks: Hooks = {}
        self.before: Hooks = {}
        self.after: Hooks = {}
        self.keeper: weakref.ref[Any] | None = None
        self.stack = ""
        self.metadata: dict[str, Any] = {}


class Leaf(Node):
    """The end of a path: a tensor that the user made, whose gradient lands in `.grad`.

    It lives as long as some graph refers to it, so its sequence number is that of the leaf's first
    use there: the leaf is complete, and can be sent away, as soon as backward has passed that use.
    """

    __slots__ = ("tensor",)

    def __init__(self, tensor: "Value") -> None:
        self.tensor = tensor
        self.below = []
        self.extras = None
        self.sequence = sequence()

    @property
    def next_functions(self) -> "tuple[tuple[Node | None, int], ...]":
        """Nothing comes after it."""
        return ()

    @property
    def variable(self) -> "Value":
        """The tensor; PyTorch's name."""
        return self.tensor


Leaf.__name__ = Leaf.__qualname__ = "AccumulateGrad"  # PyTorch's name
