"""What happens to the coordinator (events, past tense), what it does (actions, imperative)."""

from dataclasses import dataclass, field
from typing import Any

from dtrain.wire.messages import Envelope, Message

# ------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Heard:
    """A message came from a connection; `part` is the unpacked value that a partial carries."""

    peer: bytes
    envelope: Envelope
    message: Message
    part: Any = None


@dataclass(frozen=True, slots=True)
class Garbled:
    """Something came from a connection that is no message."""

    peer: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A send found that the connection is gone."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """The trainer has written these parts of version step+1."""

    step: int
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A signal, a limit or an error asks to end the run.

    Code 0 is for a limit or a request: the step under way is committed first, unless the end is to
    be `at_once`, because more steps would be too many. Any other code is the exit code: 1 for an
    error, which ends the run now; of a signal, which does so unless the optimizer has begun.
    """

    reason: str
    code: int
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Heard | Garbled | Unreachable | Written | StopAsked | Tick

# ------------------------------------------------------------------------------------ actions


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a connection; the shell adds the buffer to `Weights`."""

    to: bytes
    envelope: Envelope
    message: Message


@dataclass(frozen=True, slots=True)
class Apply:
    """The root of a part of this step: divide, step, write version step+1; then say `Written`."""

    step: int
    part: int
    value: Any


@dataclass(frozen=True, slots=True)
class Commit:
    """Version step+1 is complete: it is the run's history now."""

    step: int
    workers: int
    compute_s: float  # that leaves took, all workers together


@dataclass(frozen=True, slots=True)
class Evaluate:
    """The root of the evaluation after this step."""

    step: int
    value: Any


@dataclass(frozen=True, slots=True)
class Save:
    """Write a checkpoint as soon as no step is under way."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that belongs into the run's event log."""

    event: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over; `trace` is the user's traceback where their code ended it."""

    reason: str
    code: int
    trace: str = ""


Action = Send | Apply | Commit | Evaluate | Save | Note | Finish
