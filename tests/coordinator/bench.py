"""A coordinator's core on a bench: speaks for workers, keeps all that the core did."""

from typing import Any

from coordinator.admission import Identity
from coordinator.core import Coordinator
from coordinator.events import Action, Event, Heard, Send
from coordinator.limits import Limits
from coordinator.rounds import Work
from dtrain.schedule import Schedule
from dtrain.wire.messages import (
    PROTOCOL,
    Attach,
    Envelope,
    Hello,
    Message,
    Partial,
    Ready,
    Welcome,
)
from tests.world import Text

SOURCES = {"job.py": "aa"}


class Bench:
    """A core on a bench: speaks for workers, keeps all that the core did."""

    def __init__(
        self,
        chunks: int = 1,
        leaves: int = 2,
        steps: int = 3,
        allow_drift: bool = False,
        **schedule: Any,
    ) -> None:
        work = Work(
            Schedule(4 * leaves, leaves, leaves, epochs=9, max_steps=steps, **schedule),
            chunks,
            frozen=0,
            has_buffers=False,
            settings={},
            layout={},
        )
        identity = Identity(
            *(SOURCES, "L", "D", "P", {"w": "1"}, {"kernel": "x"}, _explain),
            allow_drift=allow_drift,
        )
        self.core = Coordinator("run", 1, work, identity, Limits())
        self.now = 0.0
        self.done: list[Action] = []
        self.sessions: dict[str, int] = {}

    def __call__(self, event: Event, now: float | None = None) -> list[Action]:
        self.now = self.now if now is None else now
        actions = self.core.handle(event, self.now)
        self.done += actions
        return actions

    def hear(self, who: str, message: Message, step: int = 0, part: Any = None) -> list[Action]:
        envelope = Envelope("run", 1, self.sessions.get(who, 0), step)
        return self(Heard(who.encode(), envelope, message, part))

    def hello(self, who: str, **changes: Any) -> list[Action]:
        fields: dict[str, Any] = {
            "protocol": PROTOCOL,
            "role": "worker",
            "name": who,
            "host": "h",
            "pid": len(self.sessions) + 1,
            "nonce": who,
            "sources": SOURCES,
        }
        actions = self.hear(who, Hello(**{**fields, **changes}))
        for action in actions:
            if isinstance(action, Send) and isinstance(action.message, Welcome):
                self.sessions[who] = self.sessions[f"{who}+"] = action.envelope.session
        return actions

    def join(self, who: str, **changes: Any) -> list[Action]:
        self.hello(who)
        self.hear(f"{who}+", Attach(who))
        fields: dict[str, Any] = {
            "layout": "L",
            "data": "D",
            "probe": "P",
            "leaf_s": 0.1,
            "credit": 100,
            "fingerprint": {"kernel": "x"},
            "parameters": {"w": "1"},
        }
        return self.hear(who, Ready(**{**fields, **changes}))

    def sums(self, who: str, lo: int, part: int, level: int = 0, step: int = 0) -> list[Action]:
        message = Partial("train", level, lo, part, lease=0)
        return self.hear(f"{who}+", message, step, Text(f"{lo}"))


def _explain(ours: dict[str, str], theirs: dict[str, str]) -> str:
    return f"{ours} {theirs}"


def said(actions: list[Action], kind: type) -> list[Any]:
    """The messages of a kind among what was sent."""
    return [a.message for a in actions if isinstance(a, Send) and isinstance(a.message, kind)]


def did(actions: list[Action], kind: type) -> list[Any]:
    """The actions of a kind."""
    return [a for a in actions if isinstance(a, kind)]
