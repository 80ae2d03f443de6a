"""What happens to a worker (events, past tense), and what it does (actions, imperative)."""

from dataclasses import dataclass
from typing import Any

from dtrain.tree import Node
from dtrain.uplink import Dial, Exit, SendUp
from dtrain.wire.messages import Envelope, Lease, Message, Ready, Welcome

# ------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Heard:
    """A message came from the coordinator; `buffer` is the chunk that `weights` carries."""

    envelope: Envelope
    message: Message
    buffer: Any = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """The job is built and its first leaf was computed."""

    ready: Ready


@dataclass(frozen=True, slots=True)
class Unprepared:
    """The job cannot be built or probed here."""

    reason: str
    trace: str


@dataclass(frozen=True, slots=True)
class LeafComputed:
    """A leaf is done; `sums` are the nodes of the lease that it completed, with their parts."""

    lease: int
    leaf: int
    sums: tuple[tuple[Node, list[Any]], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class LeafFailed:
    """The user's code raised in a leaf; the lease ends with it."""

    lease: int
    leaf: int
    trace: str


@dataclass(frozen=True, slots=True)
class Rested:
    """The compute thread is through with a lease, for whatever reason; `sums` are what is left of
    one that was cut short: nodes that are smaller than the lease asked for."""

    lease: int
    sums: tuple[tuple[Node, list[Any]], ...] = ()


@dataclass(frozen=True, slots=True)
class DrainAsked:
    """The process was asked to leave."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample that the data are reading just now."""

    phase: str
    step: int
    leaf: int
    sample: int  # -1: many, in one call
    since: float  # in the clock of `now`


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    reading: Reading | None = None  # what the user's data are at


Event = Heard | Prepared | Unprepared | LeafComputed | LeafFailed | Rested | DrainAsked | Tick

# ------------------------------------------------------------------------------------ actions


@dataclass(frozen=True, slots=True)
class Prepare:
    """Build the job with these settings and probe it; then say `Prepared` or `Unprepared`."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class Install:
    """Copy a chunk into the buffer of its version: of two, the one with its parity."""

    version: int
    chunk: int
    buffer: Any


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """Read the samples of a lease's first leaf: its weights are still on their way."""

    lease: Lease
    step: int


@dataclass(frozen=True, slots=True)
class Compute:
    """Compute a lease on its weights, which are complete; then say `Rested`."""

    lease: Lease
    step: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """Stop computing after the current leaf."""


Action = Dial | SendUp | Exit | Prepare | Install | ReadAhead | Compute | Abandon
