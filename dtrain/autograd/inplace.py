# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""In-place ops: any function of a tensor, with its result written into the tensor's own memory.

The tensor then stands where the result stands in the graph. If it is a view, that holds for its
base: the gradient there goes through `put`, and every view of the base finds its new place when it
is next used (see `Value.refresh`).
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd.inference import require_changeable
from dtrain.autograd.modes import MODE
from dtrain.autograd.node import OUT, Node, nodes_called
from dtrain.autograd.op import op
from dtrain.autograd.ops.promotion import KINDS
from dtrain.autograd.ops.shape import cast, overwrite
from dtrain.autograd.value import (
    Array,
    Steps,
    Value,
    follow,
    opened,
    require_apart,
    same_place,
)

_KIND = {"b": 0, "u": 1, "i": 1, "f": 2}


def in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """`f_(tensor, ...)` for a function `f(tensor, ...)`."""

    @functools.wraps(function)
    def changed(input: Any, *args: Any, **kwargs: Any) -> Any:
        before = shadow(input) if _records((input, *args, *kwargs.values())) else input
        return assign(input, function(before, *args, **kwargs))

    name = getattr(function, "name", None) or function.__name__
    changed.__name__ = changed.__qualname__ = f"{name}_"
    changed.__doc__ = f"`{name}` in place; returns the tensor."
    return changed


def _records(values: tuple[Any, ...]) -> bool:
    return MODE.enabled and any(isinstance(each, Value) and each.wants_grad() for each in values)


def shadow(value: Value) -> Value:
    """A copy at the same place in the graph: what backward saves of it survives the change.

    Raises what `require_writable` raises.
    """
    require_writable(value)
    copy = Value.result(value._array.copy())
    edge = value.edge()
    if value._view is not None and edge is not None and edge.extras is not None:
        # Hooks are for the view as it was, not for its base's gradient.
        edge = value._view.place(value._array)
    copy._node, copy._requires_grad = edge, edge is not None
    return copy


def require_writable(value: Value, recorded: bool = False) -> None:
    """Raises RuntimeError, as PyTorch does, where a change in place could not be recorded.

    That is a leaf that requires a gradient, its view, and a view whose history is not known, if it
    requires a gradient or what is written does (`recorded`).
    """
    if not MODE.enabled or not (recorded or value.wants_grad()):
        return
    view = value._view
    if view is not None:
        view.require_free(value._node)
        if value.wants_grad() and view.base._node is None:
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place "
                "operation."
            )
        value.refresh()
    if value._requires_grad and value._node is None:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )


def assign(target: Value, result: Value) -> Value:
    """Give `target` the result's elements, in its own memory, and its place in the graph.

    Raises RuntimeError for a result of another shape, or of a higher kind of dtype (bool < integer
    < float), and for a leaf that requires a gradient.
    """
    if result._array.dtype != target._array.dtype:
        require_castable(result._array.dtype, target._array.dtype)
        result = cast(result, dtype=target._array.dtype)
    if result._array.shape != target._array.shape:
        raise RuntimeError(
            f"output with shape {list(target._array.shape)} doesn't match the broadcast shape "
            f"{list(result._array.shape)}"
        )
    if _records((result, target)):
        require_writable(target, recorded=True)
        if result._node is None:  # a function without a gradient, as `eq`
            result = overwrite(shadow(target), result)
        move(target, result)
    else:
        require_changeable(target)
        write(target._array, result._array)
        target._bump()
    return target


def write(target: Array, values: Any) -> None:
    """Copy values into an array. Raises RuntimeError for one whose elements share memory,
    ValueError for one that is read-only."""
    require_apart(target)
    np.copyto(target, values)


def require_castable(source: Any, wanted: Any) -> None:
    """Raises RuntimeError where an in-place op would lose a float's or an integer's meaning."""
    if _KIND[source.kind] > _KIND[wanted.kind]:
        raise RuntimeError(
            f"result type {KINDS[source.name]} can't be cast to the desired output type "
            f"{KINDS[wanted.name]}"
        )


def move(target: Value, result: Value) -> None:
    """Write a recorded result, and stand where it is in the graph, or the base if it is a view."""
    made = node = result._node
    assert made is not None
    if target._view is None:
        write(target._array, result._array)
        target._bump()
        target.stand(node)
    else:
        base = target._view.base
        if same_place(target._array, base._array):  # as x[:] is
            write(target._array, result._array)
        else:
            node = put(base, result, at=Path(target._view.steps))._node
        target._bump()
        base.stand(node)
        target.refresh()
    if made.plan.guards_out:
        _guard(made, target)


def _guard(node: Node, target: Value) -> None:
    """Backward needs the output, and the tensor has it now: it must not be changed again."""
    version = target.version()
    node.guards = [
        (version, version[0], OUT) if guard[2] == OUT else guard for guard in node.guards
    ]


def reshape_in_place(target: Value, view: Value) -> Value:
    """Let `target` become the view that was taken of it: `unsqueeze_`, `t_` and the like.

    Raises RuntimeError for a leaf that requires a gradient.
    """
    require_writable(target)
    target._array = view._array
    target._bump()
    if target._view is None:
        target.stand(view._node if MODE.enabled else target._node)
    else:
        bound = target._view.bound
        target._view = view._view
        if target._view is not None:
            target._view.bound = bound
        target.refresh()
    return target


class Path:
    """How a view was taken from its base: a function of arrays, and of Tensors."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def __call__(self, base: Any) -> Any:
        return follow(base, self.steps)


@op(base=lambda g, at: cut(g, at=at), part=lambda g, at: at(g))
def put(base: Array, part: Array, *, at: Path) -> Array:
    """The base itself, with the part written into its view `at`."""
    write(opened(at(base), base), part)
    return base


put.nodes, put.frees = nodes_called("CopySlices"), True  # as in PyTorch


@op(x=lambda g, at: cut(g, at=at))
def cut(x: Array, *, at: Path) -> Array:
    """A copy of x with zeros in the view `at`."""
    out = np.array(x, order="C")
    write(opened(at(out), out), 0)
    return out
