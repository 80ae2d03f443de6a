"""What a node of the sum tree is worth: sums and a weight, never means. Pure.

A node's value has parts, which travel, add up and are applied one by one: a `ChunkSum` for each
chunk of the gradient, and at last a `TailSum` with everything small. Every part has the node's
weight, so that the root of each can be divided without waiting for another.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from dtrain.errors import ProtocolError
from dtrain.layout import Array, Buffer, Chunk, Layout
from dtrain.nn.updates import Update, compose
from dtrain.nn.updates import unpack as unpack_update

Raw: TypeAlias = bytes | bytearray | memoryview | Array
Form: TypeAlias = tuple[np.dtype[Any], tuple[int, ...]]  # of an array: dtype and shape

SAMPLES_MAX = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class ChunkSum:
    """One chunk of a gradient, summed over the leaves of a node.

    weight    of those leaves together, >= 0
    reached   bit i is set if any leaf had a gradient for parameters[i] of the layout; only the
              parameters that the chunk touches have bits. No gradient is not zero gradient: a
              parameter that no leaf reached is left alone by the optimizer
    grad      (chunk.size,), of the layout's dtype; zeros where nothing was reached, and in gaps
    """

    weight: float
    reached: int
    grad: Array

    def __add__(self, right: "ChunkSum") -> "ChunkSum":
        """Left plus right, written over the left array; neither operand may be used any more."""
        np.add(self.grad, right.grad, out=self.grad)
        return ChunkSum(self.weight + right.weight, self.reached | right.reached, self.grad)


@dataclass(frozen=True, slots=True, eq=False)
class TailSum:
    """The rest of a node's value.

    weight    samples, tokens or what else the loss was weighted with, >= 0
    loss_sum  the loss summed with these weights
    samples   how many were read, whatever their weight
    logs      name -> (sum, weight) of what `Job.log` was given
    buffers   index of a buffer in the layout -> how the leaves, in their order, update it
    """

    weight: float
    loss_sum: float
    samples: int
    logs: dict[str, tuple[float, float]] = field(default_factory=dict)
    buffers: dict[int, Update] = field(default_factory=dict)

    def __add__(self, right: "TailSum") -> "TailSum":
        """Left plus right; buffers are updated by the left leaves first."""
        logs, buffers = dict(self.logs), dict(self.buffers)
        for name, (total, weight) in right.logs.items():
            before = logs.get(name)
            logs[name] = (before[0] + total, before[1] + weight) if before else (total, weight)
        for index, update in right.buffers.items():
            buffers[index] = compose(buffers[index], update) if index in buffers else update
        return TailSum(
            self.weight + right.weight,
            self.loss_sum + right.loss_sum,
            self.samples + right.samples,
            logs,
            buffers,
        )


Part: TypeAlias = ChunkSum | TailSum


@dataclass(frozen=True, slots=True, eq=False)
class GradSum:
    """A node's whole value: its parts in the layout's order. In an evaluation, the tail alone."""

    parts: list[Part]

    def __add__(self, right: "GradSum") -> "GradSum":
        """Part by part, each over the left one's array."""
        pairs = zip(self.parts, right.parts, strict=True)
        return GradSum([left + part for left, part in pairs])  # type: ignore[operator]  # same class

    @property
    def tail(self) -> TailSum:
        """The last part."""
        tail = self.parts[-1]
        assert isinstance(tail, TailSum)
        return tail


def means(tail: TailSum) -> dict[str, float]:
    """`loss` and what was logged, as means over a root: the one division, in float64.

    The loss is nan if nothing had any weight; a name without weight is left out.
    """
    loss = tail.loss_sum / tail.weight if tail.weight else math.nan
    logged = {name: total / weight for name, (total, weight) in tail.logs.items() if weight}
    return {**logged, "loss": loss}


# ------------------------------------------------------------------------------- to and from bytes


def pack(part: Part) -> tuple[dict[str, Any], list[Array]]:
    """A part as plain msgpack values and at most one raw array, which is no copy of a gradient.

    A chunk: {"weight": float, "reached": bytes}, and its gradient. Bit i of `reached`, read
        little-endian and without trailing zero bytes, is parameter i of the layout.
    The tail: {"weight": float, "loss_sum": float, "samples": int, "logs": {name: [sum, weight]},
        "buffers": [indices, rising]}, and the arrays of all updates behind one another, each
        buffer's by its rule (in float64 and int64; `last` in the buffer's dtype):
        affine: keep (), add (shape);  count: by (shape);  mean: [count, prior], total (shape);
        last: value (shape). No array when there is no update.
    """
    if isinstance(part, ChunkSum):
        bits = part.reached.to_bytes((part.reached.bit_length() + 7) // 8, "little")
        return {"weight": part.weight, "reached": bits}, [part.grad]
    order = sorted(part.buffers)
    fields = {
        "weight": part.weight,
        "loss_sum": part.loss_sum,
        "samples": part.samples,
        "logs": {name: list(pair) for name, pair in part.logs.items()},
        "buffers": order,
    }
    raw = b"".join(array.tobytes() for i in order for array in part.buffers[i].pack()[1])
    return fields, [np.frombuffer(raw, np.uint8)] if order else []


def unpack(layout: Layout, index: int, fields: Mapping[str, Any], arrays: Sequence[Raw]) -> Part:
    """The part behind `pack`, from what a peer sent; `layout.tail` is the index of a tail.

    The gradient is the sender's memory if that is writeable and aligned, else a copy: `+` writes
    into it. It may hold inf and nan: a diverging model is no peer's mistake.
    Raises ProtocolError for keys, types, lengths, bits or rules that the layout does not allow.
    """
    if not 0 <= index < layout.parts:
        raise ProtocolError(f"part {index} does not exist; there are {layout.parts}")
    if index == layout.tail:
        return _unpack_tail(layout, fields, arrays)
    chunk = layout.chunks[index]
    _require_keys(fields, {"weight", "reached"})
    if len(arrays) != 1:
        raise ProtocolError(f"a chunk of a gradient is one array, not {len(arrays)}")
    form = np.dtype(layout.dtype_of(chunk)), (chunk.size,)
    [grad] = _split(arrays[0], [form])
    return ChunkSum(
        _weight(fields["weight"]),
        _reached(fields["reached"], chunk),
        np.require(grad, requirements=["C", "A", "W"]),
    )


def _unpack_tail(layout: Layout, fields: Mapping[str, Any], arrays: Sequence[Raw]) -> TailSum:
    _require_keys(fields, {"weight", "loss_sum", "samples", "logs", "buffers"})
    samples = fields["samples"]
    if type(samples) is not int or not 0 <= samples <= SAMPLES_MAX:
        raise ProtocolError(f"samples must be a count, not {str(samples)[:80]}")
    return TailSum(
        _weight(fields["weight"]),
        _number(fields["loss_sum"]),
        samples,
        _logs(fields["logs"]),
        _updates(layout, fields["buffers"], arrays),
    )


def _logs(logs: object) -> dict[str, tuple[float, float]]:
    if not isinstance(logs, dict):
        raise ProtocolError("logs must be a map")
    found = {}
    for name, pair in logs.items():
        if not isinstance(name, str) or not isinstance(pair, list) or len(pair) != 2:
            raise ProtocolError("logs must map names to [sum, weight]")
        found[name] = (_number(pair[0]), _number(pair[1]))
    return found


def _updates(layout: Layout, indices: object, arrays: Sequence[Raw]) -> dict[int, Update]:
    """Buffers' updates; the layout says what arrays each consists of."""
    if not isinstance(indices, list) or not all(
        type(i) is int and 0 <= i < len(layout.buffers) for i in indices
    ):
        raise ProtocolError(f"buffers must be a list of indices, not {str(indices)[:80]}")
    if sorted(set(indices)) != indices:
        raise ProtocolError("buffers must be listed once each, rising")
    if len(arrays) != bool(indices):
        raise ProtocolError("the updates of all buffers are one array")
    forms = [_forms(layout.buffers[i]) for i in indices]
    values = _split(arrays[0], [form for both in forms for form in both]) if indices else []
    rest = iter([value.copy() for value in values])  # aligned, and nobody else's
    return {
        i: unpack_update(str(layout.buffers[i].rule), [next(rest) for _ in both])
        for i, both in zip(indices, forms, strict=True)
    }


def _forms(buffer: Buffer) -> list[Form]:
    """The arrays of an update, by the buffer's rule."""
    real, whole = np.dtype(np.float64), np.dtype(np.int64)
    match buffer.rule:
        case "affine":
            return [(real, ()), (real, buffer.shape)]
        case "count":
            return [(whole, buffer.shape)]
        case "mean":
            return [(whole, (2,)), (real, buffer.shape)]
        case "last":
            return [(np.dtype(buffer.dtype), buffer.shape)]
    raise ProtocolError(f"buffer {buffer.name} has no rule, and yet an update")


def _split(raw: Raw, forms: list[Form]) -> list[Array]:
    """Arrays that lie behind one another, without a copy."""
    try:
        octets = np.frombuffer(raw, np.uint8)
    except (ValueError, BufferError, TypeError) as error:
        raise ProtocolError(f"a frame that is no contiguous buffer: {error}") from None
    sizes = [dtype.itemsize * math.prod(shape) for dtype, shape in forms]
    if octets.size != sum(sizes):
        raise ProtocolError(f"a frame of {octets.size} bytes, where there must be {sum(sizes)}")
    arrays, at = [], 0
    for (dtype, shape), size in zip(forms, sizes, strict=True):
        arrays.append(octets[at : at + size].view(dtype).reshape(shape))
        at += size
    return arrays


def _reached(bits: object, chunk: Chunk) -> int:
    if not isinstance(bits, bytes):
        raise ProtocolError("reached must be bytes")
    reached = int.from_bytes(bits, "little")
    if len(bits) != (reached.bit_length() + 7) // 8 or reached & ~chunk.mask:
        raise ProtocolError(f"reached has bits that chunk {chunk.index} has no parameters for")
    return reached


def _weight(value: object) -> float:
    weight = _number(value)
    if not 0 <= weight < math.inf:
        raise ProtocolError(f"a weight must be finite and >= 0, not {weight}")
    return weight


def _number(value: object) -> float:
    if type(value) is not float:
        raise ProtocolError(f"a float is needed, not {str(value)[:80]}")
    return value


def _require_keys(fields: Mapping[str, Any], keys: set[str]) -> None:
    if fields.keys() != keys:
        raise ProtocolError(f"the fields must be {sorted(keys)}, not {str(list(fields))[:80]}")
