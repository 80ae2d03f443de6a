"""A world in virtual time: the real cores of coordinator and workers, a seeded faulty network.

No socket, no thread, no sleep. The value of a leaf is a text that remembers how it was summed, so
the result of a step shows its grouping; weights are the history of all steps, so a leaf computed on
the wrong weights shows too. `undisturbed` is the dumb twin: what one process would get.
"""

import heapq
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from coordinator import events as up
from coordinator.admission import Identity
from coordinator.core import Coordinator
from coordinator.limits import Limits
from coordinator.rounds import Work
from dtrain.layout import Layout, TensorSpec
from dtrain.schedule import Schedule
from dtrain.tree import fold, root
from dtrain.uplink import Dial, Exit, SendUp, UplinkLimits
from dtrain.wire.messages import EVAL, PROTOCOL, TRAIN, Hello, Ready, Weights
from workers import events as down
from workers.core import Worker
from workers.counter import Counter

CHUNK = 16
LAYOUT = Layout.build(
    [TensorSpec("w", (3 * CHUNK,), "float32", True), TensorSpec("f", (CHUNK,), "float32", False)],
    [],
    CHUNK,
)
IDENTITY = Identity({"job.py": "1"}, LAYOUT.hash(), "data", "probe", {}, {}, lambda a, b: "")


@dataclass(frozen=True)
class Text:
    """A sum that remembers its grouping."""

    text: str

    def __add__(self, other: "Text") -> "Text":
        return Text(f"({self.text}+{other.text})")


def leaf_value(weights: str, phase: str, step: int, leaf: int, part: int) -> Text:
    """What a leaf is worth: everything that it may depend on, in words."""
    return Text(f"{phase}{step}.{leaf}.{part}@{weights}")


def stepped(weights: str, grad: Text) -> str:
    """One optimizer step on one chunk: a short digest, so that texts do not explode."""
    return f"{zlib.crc32(f'{weights} {grad.text}'.encode()):08x}"


def undisturbed(schedule: Schedule) -> tuple[list[str], list[str]]:
    """Final weights by chunk, and evaluations, of a run that one process makes."""
    parts = len(LAYOUT.chunks) + 1
    weights = ["0"] * parts
    evaluations = []
    for step in range(schedule.steps):
        roots = [_sum(weights, TRAIN, step, schedule.leaves(step), part) for part in range(parts)]
        weights = [stepped(w, r) for w, r in zip(weights, roots, strict=True)]
        if schedule.evaluates_after(step):
            evaluations.append(_sum(weights, EVAL, step, schedule.eval_leaves, 0).text)
    return weights, evaluations


def _sum(weights: list[str], phase: str, step: int, leaves: int, part: int) -> Text:
    on = "|".join(weights)
    return fold(root(leaves), leaves, lambda leaf: leaf_value(on, phase, step, leaf, part))


@dataclass
class Faults:
    """Probabilities for a message, and the longest delay in seconds."""

    lose: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0  # may overtake what was sent before on the same connection
    delay_s: float = 0.01


@dataclass
class Memory:
    """A worker's two versions of the weights, and the frozen chunk, as its shell holds them."""

    chunks: list[dict[int, str]] = field(default_factory=lambda: [{}, {}])


@dataclass
class Machine:
    """One worker process: the real core, and a compute thread in virtual time."""

    name: str
    core: Worker
    leaf_s: float
    memory: Memory = field(default_factory=Memory)
    dial: int = 0
    alive: bool = True
    frozen_until: float = 0.0
    abandoned: bool = False
    computing: int = 0  # counts leases begun: a later one makes callbacks of earlier ones void
    ended: Exit | None = None


class World:
    """Coordinator, workers, network and clock. `run` returns when the run is over."""

    def __init__(
        self, schedule: Schedule, seed: int, faults: Faults, limits: Limits | None = None
    ) -> None:
        self.schedule = schedule
        self.random = random.Random(seed)
        self.faults = faults
        self.limits = limits or Limits(
            beat_s=0.5, silence_s=3, redial_s=2, lease_s=0.5, resend_s=0.5, alone_s=1e9
        )
        self.now = 0.0
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.sent = 0
        self.machines: dict[str, Machine] = {}
        self.last_at: dict[Any, float] = {}
        self.weights: dict[int, list[str]] = {0: ["0"] * (len(LAYOUT.chunks) + 1)}
        self.next: dict[int, str] = {}
        self.evaluations: dict[int, str] = {}
        self.finish: up.Finish | None = None
        self.log: list[str] = []
        self.generation = 0
        self.coordinator = self._coordinator(term=1, version=0)

    # ------------------------------------------------------------------------------- control

    def join(self, at: float, leaf_s: float = 0.05) -> str:
        """A new worker process starts at this time."""
        name = f"w{len(self.machines)}"
        hello = Hello(PROTOCOL, "worker", name, f"h-{name}", 1, "", IDENTITY.sources)
        limits = UplinkLimits(
            dial_s=0.1, dial_s_max=1.0, reconnect_for_s=1e9, resend_s=0.5, window=3
        )
        self.machines[name] = Machine(name, Worker(hello, limits, at), leaf_s)
        self.at(at, lambda: self._to_worker(self.machines[name], down.Tick()))
        return name

    def kill(self, name: str, at: float) -> None:
        """kill -9."""
        self.at(at, lambda: setattr(self.machines[name], "alive", False))

    def freeze(self, name: str, at: float, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after some seconds; messages wait meanwhile."""

        def stop() -> None:
            self.machines[name].frozen_until = max(self.machines[name].frozen_until, at + seconds)

        self.at(at, stop)

    def drain(self, name: str, at: float) -> None:
        """SIGTERM."""
        self.at(at, lambda: self._to_worker(self.machines[name], down.DrainAsked()))

    def cut(self, name: str, at: float) -> None:
        """The worker's connections break and are lost with all that is on its way."""

        def reset() -> None:
            self.machines[name].dial += 1

        self.at(at, reset)

    def resume(self, at: float) -> None:
        """The coordinator dies and is restarted from its last commit, in a new term."""

        def restart() -> None:
            if self.finish is None:
                self.generation += 1
                self.next = {}
                self.coordinator = self._coordinator(self.coordinator.term + 1, max(self.weights))

        self.at(at, restart)

    def run(self, until: float = 600.0) -> None:
        """Until the run is over; fails if that takes too long."""
        while self.finish is None:
            assert self.queue, f"nothing will happen any more: {self.coordinator.why()}"
            self.now, _, happen = heapq.heappop(self.queue)
            assert self.now < until, f"no end after {until} s: {self.coordinator.why()}"
            happen()

    def at(self, time: float, happen: Callable[[], None]) -> None:
        """Do something at a time."""
        self.sent += 1
        heapq.heappush(self.queue, (max(time, self.now), self.sent, happen))

    # --------------------------------------------------------------------------- coordinator

    def _coordinator(self, term: int, version: int) -> Coordinator:
        work = Work(
            self.schedule, len(LAYOUT.chunks), len(LAYOUT.frozen), False, {}, LAYOUT.to_dict()
        )
        evaluated = version - 1 in self.evaluations
        core = Coordinator("run", term, work, IDENTITY, self.limits, version, evaluated, self.now)
        self.at(self.now, lambda: self._to_coordinator(core, up.Tick()))
        return core

    def _to_coordinator(self, core: Coordinator, event: up.Event) -> None:
        if core is not self.coordinator:
            return  # of a coordinator that is dead
        for action in core.handle(event, self.now):
            self._do_up(core, action)
        if isinstance(event, up.Tick):
            wake = core.wake_at()
            if wake is not None:
                self.at(max(wake, self.now + 0.01), lambda: self._to_coordinator(core, up.Tick()))

    def _do_up(self, core: Coordinator, action: up.Action) -> None:
        match action:
            case up.Send():
                self._send_down(action)
            case up.Apply():
                on = self.weights[action.step][action.part]
                assert action.part not in self.next, "a part was stepped twice"
                self.next[action.part] = stepped(on, action.value)
                written = up.Written(action.step, (action.part,))
                later = self.now + self.random.random() * 0.01
                self.at(later, lambda: self._to_coordinator(core, written))
            case up.Commit():
                parts = range(len(LAYOUT.chunks) + 1)
                assert max(self.weights) == action.step, "a step was committed out of order"
                self.weights[action.step + 1] = [self.next.pop(part) for part in parts]
            case up.Evaluate():
                self.evaluations[action.step] = action.value.text
            case up.Note():
                self.log.append(f"{self.now:.3f} {action.event} {action.fields}")
            case up.Finish():
                self.finish = action

    def _send_down(self, action: up.Send) -> None:
        name, dial, _ = action.to.decode().split("/")
        machine = self.machines[name]
        if machine.dial != int(dial):
            gone = up.Unreachable(action.to)
            core = self.coordinator
            if self.random.random() < 0.5:
                self.at(self.now + 0.01, lambda: self._to_coordinator(core, gone))
            return
        buffer: Any = None
        if isinstance(action.message, Weights):
            buffer = self._chunk(action.message)
        event = down.Heard(action.envelope, action.message, buffer)

        def arrive() -> None:
            if machine.dial == int(dial):
                self._to_worker(machine, event)

        self._transmit(("down", action.to), arrive)

    def _chunk(self, weights: Weights) -> str:
        if weights.chunk >= len(LAYOUT.chunks):
            return "frozen"
        if weights.version in self.weights:
            return self.weights[weights.version][weights.chunk]
        return self.next[weights.chunk]

    # ------------------------------------------------------------------------------- workers

    def _to_worker(self, machine: Machine, event: down.Event) -> None:
        if not machine.alive or machine.ended:
            return
        if self.now < machine.frozen_until:
            self.at(machine.frozen_until, lambda: self._to_worker(machine, event))
            return
        for action in machine.core.handle(event, self.now):
            self._do_down(machine, action)
        wake = machine.core.wake_at()
        if wake is not None and isinstance(event, down.Tick):
            self.at(max(wake, self.now + 0.01), lambda: self._to_worker(machine, down.Tick()))

    def _do_down(self, machine: Machine, action: down.Action) -> None:
        match action:
            case Dial():
                machine.dial += 1
            case SendUp():
                self._send_up(machine, action)
            case down.Prepare():
                ready = Ready(LAYOUT.hash(), "data", "probe", machine.leaf_s, 2)
                done = self.now + 0.2 * self.random.random()
                self.at(done, lambda: self._to_worker(machine, down.Prepared(ready)))
            case down.Install():
                side = machine.memory.chunks[action.version % 2]
                side[action.chunk] = action.buffer
            case down.Compute():
                machine.abandoned = False
                machine.computing += 1
                self._compute(machine, action)
            case down.Abandon():
                machine.abandoned = True
            case Exit():
                machine.ended = action

    def _compute(self, machine: Machine, work: down.Compute) -> None:
        lease = work.lease
        parts = len(LAYOUT.chunks) + 1 if lease.phase == TRAIN else 1
        counter: Counter[Parts] = Counter(lease.lo, lease.hi, lease.leaves)
        side = machine.memory.chunks[lease.version % 2]

        def begin(leaf: int) -> None:
            if machine.abandoned or leaf == lease.hi:
                rest = tuple((node, value.parts) for node, value in counter.rest())
                self._to_worker(machine, down.Rested(lease.lease, rest))
                return
            before = self._read(side)
            at = self.now + machine.leaf_s * (0.5 + self.random.random())
            self.at(at, lambda: after(leaf, before))

        def after(leaf: int, before: str) -> None:
            if not machine.alive:
                return
            if self.now < machine.frozen_until:
                self.at(machine.frozen_until, lambda: after(leaf, before))
                return
            assert self._read(side) == before, "weights changed under a leaf"
            on = before + "|" + self._tail(lease.version)
            value = Parts([leaf_value(on, lease.phase, work.step, leaf, p) for p in range(parts)])
            sums = tuple((node, total.parts) for node, total in counter.push(leaf, value))
            self._to_worker(machine, down.LeafComputed(lease.lease, leaf, sums, machine.leaf_s))
            begin(leaf + 1)

        begin(lease.lo)

    def _read(self, side: dict[int, str]) -> str:
        return "|".join(side.get(chunk, "?") for chunk in range(len(LAYOUT.chunks)))

    def _tail(self, version: int) -> str:
        """The tail part's state lives at the coordinator only: this layout has no buffers."""
        return self.weights[version][-1]

    def _send_up(self, machine: Machine, action: SendUp) -> None:
        dial = machine.dial
        address = f"{machine.name}/{dial}/{'bulk' if action.bulk else 'control'}".encode()
        event = up.Heard(address, action.envelope, action.message, action.part)
        generation = self.generation

        def arrive() -> None:
            if machine.dial == dial and generation == self.generation:
                self._to_coordinator(self.coordinator, event)

        self._transmit(("up", address), arrive)

    # ------------------------------------------------------------------------------- network

    def _transmit(self, connection: Any, arrive: Callable[[], None]) -> None:
        faults, draw = self.faults, self.random.random
        if draw() < faults.lose:
            return
        for _ in range(2 if draw() < faults.duplicate else 1):
            at = self.now + 0.001 + draw() * faults.delay_s
            if draw() >= faults.reorder:
                at = max(at, self.last_at.get(connection, 0.0) + 1e-6)
                self.last_at[connection] = at
            self.at(at, arrive)


@dataclass
class Parts:
    """A node's value: parts, added one by one."""

    parts: list[Text]

    def __add__(self, other: "Parts") -> "Parts":
        return Parts([a + b for a, b in zip(self.parts, other.parts, strict=True)])
