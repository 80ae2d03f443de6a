# A rule may name an op that is declared below it:
# mypy: disable-error-code="has-type"
"""In-place ops: any function of a tensor, with its result written into the tensor's own memory.

The tensor then stands where the result stands in the graph. If it is a view, that holds for what
it is a view of: the gradient there goes through `put`, and every view of it finds its new place
when it is next used (see `Value.refresh`).
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dtrain.autograd.modes import MODE
from dtrain.autograd.op import op
from dtrain.autograd.ops.shape import cast
from dtrain.autograd.value import Array, Node, Value

_KIND = {"b": 0, "u": 1, "i": 1, "f": 2}
_NAMES = {
    "float16": "Half", "float32": "Float", "float64": "Double", "uint8": "Byte", "int8": "Char",
    "int16": "Short", "int32": "Int", "int64": "Long", "bool": "Bool",
}  # fmt: skip


def in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """`f_(tensor, ...)` for a function `f(tensor, ...)`."""

    @functools.wraps(function)
    def changed(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not _records((input, *args, *kwargs.values())):
            return assign(input, function(input, *args, **kwargs))
        before = shadow(input)
        args = tuple(before if each is input else each for each in args)
        return assign(input, function(before, *args, **kwargs))

    name = getattr(function, "name", None) or function.__name__
    changed.__name__ = changed.__qualname__ = f"{name}_"
    changed.__doc__ = f"`{name}` in place; returns the tensor."
    return changed


def _records(values: tuple[Any, ...]) -> bool:
    if not MODE.enabled:
        return False
    for value in values:
        if isinstance(value, Value):
            value.refresh()
            if value._requires_grad:
                return True
    return False


def shadow(value: Value) -> Value:
    """A copy at the same place in the graph: what backward saves of it survives the change."""
    require_writable(value)
    copy = Value.result(value._array.copy())
    copy._node, copy._requires_grad = value._node, value._requires_grad
    return copy


def require_writable(value: Value) -> None:
    """Raises RuntimeError, as PyTorch does, for a leaf that requires a gradient or its view."""
    if not MODE.enabled:
        return
    if value._requires_grad and value._node is None:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    if value._view is not None:
        owner = _owner(value)
        if owner._requires_grad and owner._node is None:
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place "
                "operation."
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
    if result._requires_grad or target._requires_grad:
        require_writable(target)
    write(target._array, result._array)
    target._bump()
    if result._requires_grad:
        _move(target, result)
    return target


def write(target: Array, values: Any) -> None:
    """Copy values into an array. Raises RuntimeError for one whose elements share memory."""
    if not target.flags.writeable and 0 in target.strides:
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )
    np.copyto(target, values)


def require_castable(source: Any, wanted: Any) -> None:
    """Raises RuntimeError where an in-place op would lose a float's or an integer's meaning."""
    if _KIND[source.kind] > _KIND[wanted.kind]:
        raise RuntimeError(
            f"result type {_NAMES[source.name]} can't be cast to the desired output type "
            f"{_NAMES[wanted.name]}"
        )


def _move(target: Value, result: Value) -> None:
    """Put `target` where `result` is in the graph, or what it is a view of."""
    if target._view is None:
        _stand(target, result._node)
    else:
        owner = _owner(target)
        changed = put(owner, result, at=Path(target))
        _stand(owner, changed._node)
    target.version()[1] += 1
    target.refresh()


def _stand(value: Value, node: Node | None) -> None:
    before = value._node
    value._node, value._requires_grad = node, True
    keeper = None if before is None or before.extras is None else before.extras.keeper
    if keeper is not None and keeper() is value and node is not None:  # retain_grad goes along
        assert before is not None
        assert before.extras is not None
        before.extras.keeper, node.extra().keeper = None, keeper


def _owner(value: Value) -> Value:
    """What a view was taken from in the first place."""
    while value._view is not None:
        value = value._view.of
    value.refresh()
    return value


class Path:
    """How a view was taken from its owner: a function of arrays, and of Tensors."""

    def __init__(self, value: Value) -> None:
        steps = []
        while value._view is not None:
            steps.append((value._view.op, value._view.options))
            value = value._view.of
        self.steps = steps[::-1]

    def __call__(self, owner: Any) -> Any:
        for step, options in self.steps:
            owner = step(owner, **options)
        return owner


@op(label="CopySlices", owner=lambda g, at: cut(g, at=at), part=lambda g, at: at(g))
def put(owner: Array, part: Array, *, at: Path) -> Array:
    """The owner itself, with the part written into its view `at`."""
    at(owner)[...] = part
    return owner


@op(x=lambda g, at: cut(g, at=at))
def cut(x: Array, *, at: Path) -> Array:
    """A copy of x with zeros in the view `at`."""
    out = np.array(x)
    at(out)[...] = 0
    return out
