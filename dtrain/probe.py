"""The probe: is a leaf of this job a pure function, and does this host compute it as others do?

Leaf 0 of step 0 at the initial weights, another leaf, and leaf 0 again. Twice the same bits, or
the job is impure. Their hash is compared between hosts before one of them joins a run.
"""

import time
from dataclasses import dataclass

import xxhash

from dtrain.errors import ImpureError
from dtrain.gradsum import ChunkSum, GradSum, TailSum, pack
from dtrain.layout import Layout
from dtrain.leaf import LeafComputer


@dataclass(frozen=True, slots=True)
class Probe:
    """What a host computes for leaf 0 of step 0.

    hash               of the whole leaf, in hex
    per_parameter      name -> hash of its gradient; first "loss" -> of loss, weight, logs, buffers
    seconds_per_leaf   the second time
    """

    hash: str
    per_parameter: dict[str, str]
    seconds_per_leaf: float


def probe(computer: LeafComputer) -> Probe:
    """Compute leaf 0 twice, with another between. The computer must have its initial weights.

    Raises ImpureError with the first parameter whose gradient differs, and what `train` raises.
    """
    first = identify(computer.layout, computer.train(0, 0))
    _compute_another(computer)
    began = time.monotonic()
    value = computer.train(0, 0)
    seconds = time.monotonic() - began
    again = identify(computer.layout, value)
    different = [name for name in again if again[name] != first[name]]
    if different:
        raise ImpureError(_impure(different))
    return Probe(xxhash.xxh3_128_hexdigest(" ".join(again.values()).encode()), again, seconds)


def identify(layout: Layout, value: GradSum) -> dict[str, str]:
    """Hashes of a training leaf's value: "loss" for its tail, then every trained parameter's."""
    totals = {i: xxhash.xxh3_64() for i, p in enumerate(layout.parameters) if p.trainable}
    for chunk, part in zip(layout.chunks, value.parts, strict=False):
        assert isinstance(part, ChunkSum)
        for i, lo, hi in layout.pieces(chunk):
            if lo == layout.parameters[i].start:  # once a parameter, however it is cut
                totals[i].update(bytes([part.reached >> i & 1]))
            totals[i].update(part.grad[lo - chunk.start : hi - chunk.start].data)
    gradients = {layout.parameters[i].name: total.hexdigest() for i, total in totals.items()}
    return {"loss": _hash_of_tail(value.tail), **gradients}


def _hash_of_tail(tail: TailSum) -> str:
    fields, arrays = pack(tail)
    total = xxhash.xxh3_64(repr(fields).encode())
    for array in arrays:
        total.update(array.data)
    return total.hexdigest()


def _compute_another(computer: LeafComputer) -> None:
    """Leaf 1 of step 0, or leaf 0 of step 1, whichever there is."""
    if computer.schedule.leaves(0) > 1:
        computer.train(0, 1)
    elif computer.schedule.steps > 1:
        computer.train(1, 0)


def _impure(different: list[str]) -> str:
    gradients = [name for name in different if name != "loss"]
    what = f"the gradient of {gradients[0]}" if gradients else "the loss, or what is logged,"
    return (
        f"step 0, leaf 0 was computed twice, and {what} differed: samples, collate and loss must "
        "be functions of their inputs. Keep no counter or clock in them, and draw random numbers "
        "from self.rng or dtrain.rng()"
    )
