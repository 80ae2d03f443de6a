"""Every message of the protocol. One class is the whole declaration of a message. Pure.

Fields are plain values (int, float, str, bool, dict with string keys); arrays travel as raw frames
behind the header. A repeat of any message is harmless.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

PROTOCOL = 2

TRAIN, EVAL = "train", "eval"  # phases
WORKER, LAUNCHER = "worker", "launcher"  # roles

_M = TypeVar("_M")
MESSAGES: dict[str, type] = {}
TAGS: dict[type, str] = {}


def message(tag: str) -> Callable[[type[_M]], type[_M]]:
    """Register a frozen dataclass as the message with this tag."""

    def register(cls: type[_M]) -> type[_M]:
        if tag in MESSAGES:
            raise ValueError(f"two messages are tagged {tag!r}")
        MESSAGES[tag] = cls
        TAGS[cls] = tag
        return cls

    return register


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every message says beside its own fields: whose run, which term, session and step.

    `run` is empty and `session` 0 until `welcome` has told them.
    """

    run: str = ""
    term: int = 0
    session: int = 0
    step: int = 0


# ---------------------------------------------------------------- worker or tool -> coordinator


@message("hello")
@dataclass(frozen=True, slots=True)
class Hello:
    """The first message on a control connection. Answered by `welcome` or `refused`."""

    protocol: int
    role: str  # WORKER or LAUNCHER
    name: str
    host: str
    pid: int
    nonce: str  # names this attempt: the bulk connection proves with it whose it is
    sources: dict[str, str] = field(default_factory=dict)  # path -> SHA-256 of the job's files


@message("attach")
@dataclass(frozen=True, slots=True)
class Attach:
    """The first message on a bulk connection: it belongs to the session with this nonce."""

    nonce: str


@message("ready")
@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has built the job and computed the probe."""

    layout: str  # hash of the layout
    data: str  # the data's lengths, and a hash of a few samples
    probe: str  # hash of leaf 0 of step 0 at the initial weights
    leaf_s: float  # seconds that a leaf took
    credit: int  # chunks of weights that may be on their way at once
    fingerprint: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)  # the probe's hash per parameter


@message("partial")
@dataclass(frozen=True, slots=True)
class Partial:
    """One part of the finished sum of one node. Any sum of this node has the same value."""

    phase: str
    level: int
    index: int
    part: int
    lease: int
    sums: dict[str, Any] = field(default_factory=dict)  # weight, bits, sums: see gradsum.pack


@message("progress")
@dataclass(frozen=True, slots=True)
class Progress:
    """A leaf is done; proves that the compute thread lives. `leaf` -1: none yet."""

    phase: str
    lease: int
    leaf: int
    seconds: float  # that it took


@message("slow")
@dataclass(frozen=True, slots=True)
class Slow:
    """A sample is being read for this long already; said once a sample. The read goes on."""

    phase: str
    leaf: int
    sample: int  # index into the data; -1: many, in one call
    seconds: float


@message("failed")
@dataclass(frozen=True, slots=True)
class Failed:
    """The user's code raised; `leaf` is -1 where it was not inside a leaf."""

    phase: str
    lease: int
    leaf: int
    trace: str


@message("credit")
@dataclass(frozen=True, slots=True)
class Credit:
    """A chunk of weights has been taken in; another may be sent."""

    version: int
    chunk: int


@message("beat")
@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing to say, but alive. `lease` is what is being computed, 0 for nothing."""

    lease: int = 0


@message("leave")
@dataclass(frozen=True, slots=True)
class Leave:
    """The worker goes, on purpose; what it has computed has been sent."""

    reason: str


@message("died")
@dataclass(frozen=True, slots=True)
class Died:
    """Launcher to coordinator: a process that it started has ended."""

    host: str
    pid: int
    reason: str


@message("ask")
@dataclass(frozen=True, slots=True)
class Ask:
    """A tool's question: "status", "stop" or "checkpoint". Needs no session."""

    what: str


# ---------------------------------------------------------------------- coordinator -> worker


@message("welcome")
@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to `hello`; its envelope names run, term and the new session."""

    nonce: str
    beat_s: float  # send something at least this often
    silence_s: float  # redial after hearing nothing for so long
    settings: dict[str, Any] = field(default_factory=dict)
    layout: dict[str, Any] = field(default_factory=dict)


@message("refused")
@dataclass(frozen=True, slots=True)
class Refused:
    """The peer may not take part. Codes: protocol, job, fingerprint, data, layout, probe, failed,
    session (unknown or given up here: dial again)."""

    code: str
    reason: str
    remedy: str


@message("lease")
@dataclass(frozen=True, slots=True)
class Lease:
    """Compute leaves lo ... hi-1 on weights of this version, and send the sums of their nodes."""

    lease: int
    phase: str
    lo: int
    hi: int
    leaves: int  # of the whole round: the shape of the tree
    version: int
    deadline_s: float


@message("revoke")
@dataclass(frozen=True, slots=True)
class Revoke:
    """A lease is no longer needed: stop after the current leaf, send nothing more of it."""

    lease: int


@message("weights")
@dataclass(frozen=True, slots=True)
class Weights:
    """One chunk of one version, with its buffer; answered by `credit`."""

    version: int
    chunk: int


@message("release")
@dataclass(frozen=True, slots=True)
class Release:
    """A part of a node has been taken in, or is not needed: its buffer is free again."""

    phase: str
    level: int
    index: int
    part: int


@message("answer")
@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to `ask`."""

    status: dict[str, Any] = field(default_factory=dict)


@message("stop")
@dataclass(frozen=True, slots=True)
class Stop:
    """The run is over for this peer; `code` is its exit code."""

    reason: str
    code: int


Message = (
    Hello
    | Attach
    | Ready
    | Partial
    | Progress
    | Slow
    | Failed
    | Credit
    | Beat
    | Leave
    | Died
    | Ask
    | Welcome
    | Refused
    | Lease
    | Revoke
    | Weights
    | Release
    | Answer
    | Stop
)
