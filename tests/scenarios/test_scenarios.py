"""Faults as texts that people read, and that this test replays on the real core.

at SECONDS  EVENT -> WHAT IS DONE, IN ORDER (remark)
"""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from coordinator.events import Action, Apply, Commit, Note, Send, Tick, Written
from dtrain.wire.messages import Beat, Credit, Died, Lease, Leave, Revoke
from tests.coordinator.bench import Bench

LINE = re.compile(r"at (?P<at>[\d.]+)\s+(?P<event>.+?)\s*-> (?P<done>.+?)\s*(?:\s\([a-zA-Z].*\))?$")
HERE = Path(__file__).parent


class Play:
    """A script's events, and what the core does, in the script's words."""

    def __init__(self, leaves: int) -> None:
        self.bench = Bench(leaves=leaves, steps=9)
        self.bench.hello("launcher", role="launcher")

    def __call__(self, now: float, words: list[str]) -> str:
        self.bench.now = now
        return ", ".join(self.tell(self.act(words))) or "nothing"

    def act(self, words: list[str]) -> list[Action]:
        """Do one event; a root that is to be applied is written at once."""
        actions = self.event(words)
        done: list[Action] = []
        while actions:
            action = actions.pop(0)
            done.append(action)
            if isinstance(action, Apply):
                actions += self.bench(Written(action.step, (action.part,)))
        return done

    def event(self, words: list[str]) -> list[Action]:
        match words:
            case ["join", who]:
                return self.bench.join(who)
            case ["sums", who, "leaf", leaf]:
                return self.sums(who, int(leaf), self.bench.core.version)
            case ["sums", who, "leaf", leaf, "of", "step", step]:
                return self.sums(who, int(leaf), int(step))
            case ["weights", who]:
                return self.bench.hear(who, Credit(0, 0))
            case ["beat", who]:
                return self.bench.hear(who, Beat(1))
            case ["leave", who]:
                return self.bench.hear(who, Leave("asked to"))
            case ["died", who]:
                pid = self.pid(who)
                return self.bench.hear("launcher", Died("h", pid, "killed"))
            case ["tick"]:
                return self.bench(Tick())
        raise ValueError(f"unknown event {words}")

    def sums(self, who: str, leaf: int, step: int) -> list[Action]:
        """A worker's answer for one leaf: both parts of it."""
        parts = [self.bench.sums(who, leaf, part, step=step) for part in range(2)]
        return [action for actions in parts for action in actions]

    def pid(self, who: str) -> int:
        """The process number that the bench gave this worker."""
        peers = self.bench.core._roster
        return next(peer.hello.pid for peer in peers if peer.hello.name == who)

    def tell(self, actions: Iterable[Action]) -> list[str]:
        """What was done, without weights, releases and beats."""
        told = []
        for action in actions:
            match action:
                case Send(to, _, Lease() as lease):
                    told.append(f"grant {to.decode()} [{lease.lo},{lease.hi})")
                case Send(to, _, Revoke()):
                    told.append(f"revoke {to.decode()}")
                case Apply(_, 0, value):
                    told.append(f"apply {value.text}")
                case Commit(step=step):
                    told.append(f"commit {step}")
                case Note("waiting"):
                    told.append("waiting")
                case Note(event, fields) if event != "join":
                    told.append(f"{event} {fields['worker'].partition('@')[0]}")
        return told


@pytest.mark.parametrize("script", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_the_core_does_what_the_script_says(script: Path) -> None:
    header, *rest = [text for text in script.read_text().splitlines() if text[:1] not in ("", "#")]
    play = Play(int(header.removeprefix("job leaves=")))
    for text in rest:
        line = LINE.fullmatch(text)
        assert line, f"cannot read: {text}"
        assert play(float(line["at"]), line["event"].split()) == line["done"], text
