"""The client half of the protocol: dial, hello, welcome, beats, credit, redial. Pure.

A worker and a relay both are one: they put their own work beside it. The uplink knows no sockets:
it says `Dial`, `SendUp`, `Exit`, and its owner's shell does so.
"""

import zlib
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from dtrain.wire.messages import (
    Attach,
    Beat,
    Envelope,
    Hello,
    Message,
    Partial,
    Ready,
    Refused,
    Release,
    Stop,
    Welcome,
)


@dataclass(frozen=True, slots=True)
class Dial:
    """Close both connections, if there are any, and open new ones, with new identities."""


@dataclass(frozen=True, slots=True)
class SendUp:
    """Send on the control or the bulk connection; `part` is the value that a partial carries."""

    envelope: Envelope
    message: Message
    bulk: bool = False
    part: Any = None


@dataclass(frozen=True, slots=True)
class Exit:
    """There is nothing more to do here. Code 0: as it should be; 1: failed; 2: refused."""

    reason: str
    code: int


Up = Dial | SendUp | Exit


@dataclass(frozen=True, slots=True)
class UplinkLimits:
    """Deadlines in seconds, and credit in chunks."""

    dial_s: float = 0.25  # the first wait for a welcome; doubles
    dial_s_max: float = 5.0
    reconnect_for_s: float = 600.0  # without hearing anything, before giving up
    resend_s: float = 5.0  # partials that nobody releases; doubles
    window: int = 16  # partial chunks that may be unacknowledged


class Uplink:
    """One process's session with its coordinator, through any number of reconnections."""

    def __init__(self, hello: Hello, limits: UplinkLimits | None = None, now: float = 0.0) -> None:
        self.limits = limits or UplinkLimits()
        self.here = Envelope()  # run, term and session, once welcomed
        self.welcome: Welcome | None = None
        self.out: list[Up] = []
        self.is_over = False
        self._hello = hello
        self._ready: Ready | None = None
        self._confirmed = False  # the coordinator has taken notice of `ready`
        self._attempt = 0
        self._heard_at = now
        self._dial_at: float | None = now  # None while in a session
        self._beat_at = self._ready_at = now
        self._window = Window(self.limits.window, self.limits.resend_s)

    # ---------------------------------------------------------------------------- the session

    @property
    def is_welcome(self) -> bool:
        """Whether there is a session."""
        return self._dial_at is None

    @property
    def is_idle(self) -> bool:
        """Whether everything that was to be sent has been acknowledged."""
        return self._window.is_empty

    def is_from_session(self, envelope: Envelope) -> bool:
        """Whether a message belongs to this session: same run, term and number."""
        there = (envelope.run, envelope.term, envelope.session)
        return self.is_welcome and there == (self.here.run, self.here.term, self.here.session)

    def hear(self, envelope: Envelope, message: Message, now: float) -> bool:
        """Take in what belongs to the session itself; True if the owner must look at it too."""
        match message:
            case Welcome():
                return self._on_welcome(envelope, message, now)
            case Refused(code="session"):
                self._on_unknown_session(envelope, now)
                return False
            case Refused() if not self.is_welcome or self.is_from_session(envelope):
                remedy = f"; {message.remedy}" if message.remedy else ""
                self.exit(f"refused by the coordinator: {message.reason}{remedy}", 2)
                return False
        if not self.is_from_session(envelope):
            return False
        self._heard_at = now
        match message:
            case Release():
                self._confirmed = True
                self._window.release(_key(envelope.step, message))
                self._send_window(now)
            case Stop():
                self.exit(message.reason, message.code)
            case Beat():
                pass
            case _:
                self._confirmed = True
                return True
        return False

    def _on_welcome(self, envelope: Envelope, welcome: Welcome, now: float) -> bool:
        if self.is_welcome or welcome.nonce != self._nonce or self._is_outdated(envelope):
            return False
        self.here = replace(envelope, step=0)
        self._heard_at, self._dial_at = now, None
        self._attempt = 0
        self._confirmed = False
        same = self.welcome and (self.welcome.settings, self.welcome.layout) == (
            welcome.settings,
            welcome.layout,
        )
        if not same:
            self._ready = None
        self.welcome = welcome
        self._window.clear()
        self._beat_at = now + welcome.beat_s
        self._announce(now)
        return True

    def _on_unknown_session(self, envelope: Envelope, now: float) -> None:
        """The coordinator is another one, or has given this session up: dial again."""
        if self.is_welcome and not self._is_outdated(envelope):
            self._redial(now)

    def _is_outdated(self, envelope: Envelope) -> bool:
        """Whether it speaks for a lower term of this run than the highest one seen."""
        return envelope.run == self.here.run and envelope.term < self.here.term

    def exit(self, reason: str, code: int) -> None:
        """Say that this process is done; the first reason counts."""
        if not self.is_over:
            self.is_over = True
            self.out.append(Exit(reason, code))

    @property
    def is_prepared(self) -> bool:
        """Whether `ready` has been called for the settings of this session."""
        return self._ready is not None

    def ready(self, ready: Ready, now: float) -> None:
        """The job is built and probed: tell, now and at each later welcome with equal settings."""
        self._ready = ready
        if self.is_welcome:
            self._announce(now)

    def _announce(self, now: float) -> None:
        assert self.welcome is not None
        self.send(Attach(self.welcome.nonce), bulk=True)
        if self._ready is not None:
            self.send(self._ready)
        self._ready_at = now + self.limits.resend_s

    # -------------------------------------------------------------------------------- sending

    def send(self, message: Message, step: int = 0, bulk: bool = False, part: Any = None) -> None:
        """Send within the session; dropped when there is none."""
        if self.is_welcome:
            self.out.append(SendUp(replace(self.here, step=step), message, bulk, part))

    def send_partial(self, step: int, partial: Partial, part: Any, now: float) -> None:
        """Send a part of a node as soon as credit allows, and again until it is released."""
        if self.is_welcome:
            self._window.add(_key(step, partial), (step, partial, part))
            self._send_window(now)

    def forget(self) -> None:
        """What was to be sent is not wanted any more."""
        self._window.clear()

    def _send_window(self, now: float) -> None:
        for step, partial, part in self._window.take(now):
            self.send(partial, step, bulk=True, part=part)

    # ----------------------------------------------------------------------------------- time

    def tick(self, now: float, beat: Beat) -> None:
        """Dial, beat, resend or give up, as the clock says."""
        if self.is_over:
            return
        if now - self._heard_at > self.limits.reconnect_for_s:
            seconds = self.limits.reconnect_for_s
            self.exit(f"no coordinator was heard for {seconds:g} s; is it running there?", 1)
        elif self._dial_at is not None:
            if now >= self._dial_at:
                self._dial(now)
        elif self.welcome and now - self._heard_at > self.welcome.silence_s:
            self._redial(now)
        else:
            self._keep_up(now, beat)

    def _keep_up(self, now: float, beat: Beat) -> None:
        assert self.welcome is not None
        if now >= self._beat_at:
            self._beat_at = now + self.welcome.beat_s
            self.send(beat)
        if not self._confirmed and now >= self._ready_at:
            self._announce(now)
        for step, partial, part in self._window.overdue(now):
            self.send(partial, step, bulk=True, part=part)

    def wake_at(self) -> float | None:
        """When `tick` has something to do."""
        if self.is_over:
            return None
        if self._dial_at is not None or self.welcome is None:
            return self._dial_at
        times = [self._beat_at, self._heard_at + self.welcome.silence_s]
        again = self._window.wake_at()
        return min([*times, again] if again is not None else times)

    @property
    def _nonce(self) -> str:
        return f"{self._hello.name}/{self._attempt}"

    def _redial(self, now: float) -> None:
        self._dial_at = now
        self._dial(now)

    def _dial(self, now: float) -> None:
        """New connections, and a hello with what is known of run and term."""
        self._attempt += 1
        wait = min(self.limits.dial_s * 2 ** min(self._attempt, 16), self.limits.dial_s_max)
        # workers that were lost together should not come back together
        jitter = zlib.crc32(self._nonce.encode()) / 2**32
        self._dial_at = now + wait * (0.5 + jitter)
        hello = replace(self._hello, nonce=self._nonce)
        self.out += [Dial(), SendUp(replace(self.here, session=0, step=0), hello)]


class Window:
    """Partials on their way, by credit: at most `size` are unacknowledged. Pure."""

    def __init__(self, size: int, resend_s: float) -> None:
        self._size, self._resend_s = size, resend_s
        self._todo: deque[tuple[Any, Any]] = deque()
        self._in_flight: dict[Any, Any] = {}
        self._moved_at, self._patience_s = 0.0, resend_s

    @property
    def is_empty(self) -> bool:
        """Whether everything has been acknowledged."""
        return not self._todo and not self._in_flight

    def add(self, key: Any, item: Any) -> None:
        """To be sent when its turn comes."""
        self._todo.append((key, item))

    def take(self, now: float) -> list[Any]:
        """What to send now."""
        due = []
        while self._todo and len(self._in_flight) < self._size:
            key, item = self._todo.popleft()
            self._in_flight[key] = item
            due.append(item)
        if due:
            self._moved_at = now
        return due

    def release(self, key: Any) -> None:
        """It arrived."""
        if self._in_flight.pop(key, None) is not None:
            self._patience_s = self._resend_s

    def overdue(self, now: float) -> list[Any]:
        """What to send again, because nothing was released for too long. Patience doubles."""
        at = self.wake_at()
        if at is None or now < at:
            return []
        self._moved_at = now
        self._patience_s *= 2
        return list(self._in_flight.values())

    def wake_at(self) -> float | None:
        """When `overdue` has something to say."""
        return self._moved_at + self._patience_s if self._in_flight else None

    def clear(self) -> None:
        """Forget everything."""
        self._todo.clear()
        self._in_flight.clear()
        self._patience_s = self._resend_s


def _key(step: int, item: Partial | Release) -> tuple[int, str, int, int, int]:
    return step, item.phase, item.level, item.index, item.part
