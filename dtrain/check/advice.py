"""What to do about micro_batches, batch_size and --workers on this machine. Pure.

    alone      leaves * leaf + update
    together   ceil(leaves / workers) * leaf + update + sending(workers)

`sending` counts the messages of a step (docs/protocol.md) and the bytes that they carry; the
coordinator handles all of them, one after the other. It is an estimate, good for the choice
between one process and several, and no more.
"""

import math
from dataclasses import dataclass, replace

PAYS = 1.1  # times as fast: less is not worth more processes
FIXED = 0.5  # the share of a leaf's time that is too much to spend on no sample
GROWTH_MAX = 256  # of a batch
# A message is also polled for, checked by the coordinator's core and handed between threads. On the
# machine of the examples that made it about so many times as dear as its way through a socket.
HANDLING = 8.0


@dataclass(frozen=True)
class Machine:
    """What was counted, and measured in seconds.

    leaves       of a full batch, each of which takes leaf_s, of these fixed_s for no sample
    chunks       messages that one gradient is
    buffers      whether there are any: one message more
    message_s    of a small message through a socket; gradient_s of a whole gradient in chunks
    add_s        of adding two gradients; update_s of the optimizer
    """

    cores: int
    leaves: int
    leaf_s: float
    fixed_s: float
    chunks: int
    buffers: bool
    add_s: float
    message_s: float
    gradient_s: float
    update_s: float

    def sending_s(self, workers: int) -> float:
        """Of one step: for each worker a lease, weights and credits, progress, sums, releases."""
        each = math.ceil(self.leaves / workers)
        nodes = each.bit_count()  # of the tree, that such a share of leaves consists of
        small = 1 + each + self.chunks + self.buffers + nodes * (self.chunks + 2)
        bulk = self.gradient_s * (1 + nodes) + self.add_s * nodes
        return workers * (small * self.message_s * HANDLING + bulk)

    def computing_s(self, workers: int = 1) -> float:
        """Of one step, by workers that each have a core of their own."""
        each = math.ceil(self.leaves / workers)
        return each * self.leaf_s + (each - 1) * self.add_s + self.update_s

    def gain(self, workers: int) -> float:
        """How many times as fast workers are as one process."""
        return self.computing_s() / (self.computing_s(workers) + self.sending_s(workers))

    def grown(self, factor: int) -> "Machine":
        """The same with leaves of so many times the samples."""
        return replace(self, leaf_s=self.fixed_s + factor * (self.leaf_s - self.fixed_s))

    def cut(self, leaves: int) -> "Machine":
        """The same batch in another number of leaves."""
        varying = (self.leaf_s - self.fixed_s) * self.leaves / leaves
        return replace(self, leaves=leaves, leaf_s=self.fixed_s + varying)


def advice(machine: Machine) -> list[str]:
    """At most a line on workers and a line on micro_batches."""
    return [_workers(machine), _micro_batches(machine)]


def _workers(machine: Machine) -> str:
    workers = min(machine.cores, machine.leaves)
    computing = f"a step computes for {duration(machine.computing_s())}"
    if workers == 1:
        why = "1 core" if machine.cores == 1 else "1 leaf a step"
        return f"{why}: use --workers 0 here; {computing}"
    gain, sending = machine.gain(workers), duration(machine.sending_s(workers))
    both = f"{computing}, its sending to {workers} workers costs about {sending}"
    if gain >= PAYS:
        return f"--workers {workers} is about {gain:.1f} times as fast as --workers 0: {both}"
    grown = _growth(machine, workers)
    larger = f"; workers pay from about {grown} times this batch_size on" if grown else ""
    return f"use --workers 0 here: {both}{larger}"


def _growth(machine: Machine, workers: int) -> int | None:
    """How many times as large leaves must be so that workers pay; powers of two."""
    factor = 2
    while factor <= GROWTH_MAX:
        if machine.grown(factor).gain(workers) >= PAYS:
            return factor
        factor *= 2
    return None


def _micro_batches(machine: Machine) -> str:
    cores, leaves = machine.cores, machine.leaves
    if leaves < cores:
        return f"{cores} cores, but {leaves} leaves a step: micro_batches={cores} uses all cores"
    few = machine.cut(cores)
    if machine.fixed_s > FIXED * machine.leaf_s and leaves > cores:
        return (
            f"{machine.fixed_s / machine.leaf_s:.0%} of a leaf's time does not depend on its "
            f"samples: with micro_batches={cores} a step computes for "
            f"{duration(few.computing_s())}, not {duration(machine.computing_s())} (another sum, "
            "with another digest)"
        )
    if leaves % cores:
        even = -(-leaves // cores) * cores
        return f"{leaves} leaves do not share evenly among {cores} cores; micro_batches={even} do"
    return f"{cores} cores: {leaves} leaves give each of {cores} workers {leaves // cores} a step"


def duration(seconds: float) -> str:
    """Two digits that count: 0.43 ms, 12 ms, 1.2 s."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.0f} ms" if seconds >= 0.01 else f"{seconds * 1e3:.2g} ms"
