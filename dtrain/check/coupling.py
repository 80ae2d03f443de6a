"""Which module makes a sample's output depend on the other samples of its leaf?

A batch runs whole and in leaves, and every module's inputs and outputs are kept. The first one to
finish whose inputs are the same samples, but whose outputs are not, couples them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dtrain.autograd import Tensor
from dtrain.layout import Array
from dtrain.nn import Module


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a module: copies of the tensors that went in and came out."""

    name: str
    module: Module
    inputs: list[Array]
    outputs: list[Array]

    def __str__(self) -> str:
        kind = type(self.module).__name__
        return f"{kind} '{self.name}'" if self.name else f"the model ({kind})"


class Recorder:
    """Keeps the calls of all modules of a model, in the order in which they finish."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._inputs: list[list[Array]] = []  # of the calls under way, innermost last

    def attach(self, model: Module) -> None:
        """Register on every module. The hooks are the leaf's: they end with it."""
        for name, module in model.named_modules():
            self._attach(name, module)

    def _attach(self, name: str, module: Module) -> None:
        def enter(_: Module, args: Any, kwargs: Any) -> None:
            self._inputs.append(list(_arrays([args, kwargs])))  # now: it may work in place

        def leave(_: Module, args: Any, output: Any) -> None:
            self.calls.append(Call(name, module, self._inputs.pop(), list(_arrays(output))))

        module.register_forward_pre_hook(enter, with_kwargs=True)
        module.register_forward_hook(leave)


def first_coupling(
    whole: Sequence[Call], leaves: Sequence[Sequence[Call]], tolerance: float
) -> Call | None:
    """The first call of the whole batch whose outputs depend on how it is cut into leaves.

    None if there is none, or the leaves took another way through the model than the whole.
    """
    if any([call.name for call in leaf] != [call.name for call in whole] for leaf in leaves):
        return None
    for i, call in enumerate(whole):
        parts = [leaf[i] for leaf in leaves]
        inputs = _agreements(call.inputs, [part.inputs for part in parts], tolerance)
        outputs = _agreements(call.outputs, [part.outputs for part in parts], tolerance)
        if inputs and all(inputs) and False in outputs:
            return call
    return None


def agree(whole: Array, parts: Sequence[Array], tolerance: float) -> bool | None:
    """Whether these parts, put together along the axis of samples, are the whole.

    What has no such axis, say a mask, agrees when all are equal. None if the shapes fit no axis.
    """
    if all(part.shape == whole.shape for part in parts):
        return all(_close(whole, part, tolerance) for part in parts)
    for axis in range(whole.ndim):
        if _fits(whole, parts, axis):
            return _close(whole, np.concatenate(list(parts), axis), tolerance)
    return None


def _agreements(
    whole: Sequence[Array], leaves: Sequence[Sequence[Array]], tolerance: float
) -> list[bool | None]:
    if any(len(leaf) != len(whole) for leaf in leaves):
        return [None]
    return [agree(array, parts, tolerance) for array, *parts in zip(whole, *leaves, strict=True)]


def _fits(whole: Array, parts: Sequence[Array], axis: int) -> bool:
    def without(array: Array) -> tuple[int, ...]:
        return array.shape[:axis] + array.shape[axis + 1 :]

    if any(part.ndim != whole.ndim or without(part) != without(whole) for part in parts):
        return False
    return bool(sum(part.shape[axis] for part in parts) == whole.shape[axis])


def _close(a: Array, b: Array, tolerance: float) -> bool:
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    finite = np.abs(a[np.isfinite(a)])
    scale = float(finite.max()) if finite.size else 0.0
    return bool(np.allclose(a, b, rtol=0, atol=tolerance * scale, equal_nan=True))


def _arrays(value: Any) -> Iterator[Array]:
    """Copies of all tensors in nested tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        yield np.array(value._array)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _arrays(part)
