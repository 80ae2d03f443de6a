"""The coordinator's shell: its sockets and its clock. It asks the core, and does."""

import signal
import time
import traceback
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import zmq

from coordinator.core import Coordinator
from coordinator.events import (
    Action,
    Apply,
    Commit,
    Evaluate,
    Event,
    Finish,
    Heard,
    Note,
    Save,
    Send,
    StopAsked,
    Tick,
    Unreachable,
    Written,
)
from coordinator.inbox import Inbox
from coordinator.outbox import Outbox
from coordinator.words import sentence
from dtrain.errors import DtrainError, NonFiniteError
from dtrain.recorder import Recorder
from dtrain.records import StepRecord
from dtrain.saver import Saver
from dtrain.trainer import Trainer
from dtrain.wire.link import Lifeline, Waker
from dtrain.wire.messages import Partial

POLL_S_MAX = 1.0
EVENTS_A_TURN = 64
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Phases:
    """Seconds of a step, by what the coordinator did with them."""

    wait: float = 0.0
    sum: float = 0.0
    optimizer: float = 0.0
    broadcast: float = 0.0
    began: float = field(default_factory=time.monotonic)


class Shell:
    """Runs one coordinator until its core says Finish."""

    def __init__(
        self,
        router: zmq.Socket[Any],
        core: Coordinator,
        trainer: Trainer,
        recorder: Recorder,
        hint: str,
        lifeline: Lifeline | None = None,
    ) -> None:
        self._router, self._core = router, core
        self._trainer, self._recorder = trainer, recorder
        self._layout = trainer.computer.layout
        self._inbox = Inbox(router, self._layout)
        self._outbox = Outbox(router, self._weights)
        self._hint, self._lifeline = hint, lifeline
        self._waker = Waker()
        self._waker.on_signals(*SIGNALS)
        self._poller = self._make_poller()
        self._phases = Phases()
        self.saver = Saver(trainer, recorder, self._waker.wake)
        self.nonfinite: NonFiniteError | None = None  # the gradient that ended the run
        self._finish: Finish | None = None
        self._shown = {""}  # tracebacks that the console has had

    def run(self) -> Finish:
        """Until the run is over. What goes wrong here ends it like anything else that ends it."""
        try:
            self._handle(Tick())
            while self._finish is None:
                self._turn()
        except DtrainError as error:
            return self._abort(str(error), "")
        except Exception as error:  # ours, or in the user's `summary`: workers must hear of the end
            return self._abort(f"{type(error).__name__}: {error}", traceback.format_exc())
        is_shown = self._finish.trace in self._shown
        return replace(self._finish, trace="") if is_shown else self._finish

    def _turn(self) -> None:
        self._poll()
        for _ in range(EVENTS_A_TURN):  # bounded: a flood must not keep signals and ticks waiting
            event = self._inbox.next()
            if event is None:
                break
            self._handle(event)
        self.saver.poll()
        self._ask_to_stop()
        wake_at = self._core.wake_at()
        if wake_at is not None and time.monotonic() >= wake_at:
            self._handle(Tick())

    def _abort(self, reason: str, trace: str) -> Finish:
        """Tell the workers, and nothing else: what else is to be done may be what went wrong."""
        for action in self._core.handle(StopAsked(reason, 1), time.monotonic()):
            if isinstance(action, Send):
                self._outbox.send(action)
        return Finish(reason, 1, trace)

    def _make_poller(self) -> zmq.Poller:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._waker.fileno(), zmq.POLLIN)
        if self._lifeline:
            poller.register(self._lifeline.fileno(), zmq.POLLIN)
        return poller

    def _poll(self) -> None:
        began = time.monotonic()
        wake_at = self._core.wake_at()
        wait_s = POLL_S_MAX if wake_at is None else min(max(wake_at - began, 0.0), POLL_S_MAX)
        self._poller.poll(int(wait_s * 1000) + 1)
        self._waker.clear()
        self._phases.wait += time.monotonic() - began

    def _ask_to_stop(self) -> None:
        if self._waker.signals:
            number = self._waker.signals.pop()
            self._handle(StopAsked(signal.Signals(number).name, 128 + number))
        if self._lifeline and self._finish is None and self._lifeline.is_cut():
            self._handle(StopAsked("the process that started this run is gone", 1))
        if self.saver.failed is not None and self._finish is None:
            self._handle(StopAsked(self.saver.failed, 1))
        reason = self._recorder.stop_requested()
        if reason and self._finish is None:
            self._handle(StopAsked(reason, 0))

    # ------------------------------------------------------------------------------- actions

    def _handle(self, event: Event) -> None:
        """An event, and the events that follow from it."""
        events: deque[Event] = deque([event])
        while events and self._finish is None:
            began = time.monotonic()
            actions = self._core.handle(events[0], began)
            if isinstance(events.popleft(), Heard) and _is_partial(event):
                self._phases.sum += time.monotonic() - began
            for action in actions:
                events.extend(self._do(action))

    def _do(self, action: Action) -> list[Event]:
        match action:
            case Send():
                return self._send(action)
            case Apply():
                return self._apply(action)
            case Commit():
                return self._commit(action)
            case Evaluate():
                return self._evaluate(action)
            case Save():
                self.saver.ask()
            case Note():
                self._note(action)
            case Finish():
                self._finish = action
        return []

    def _note(self, note: Note) -> None:
        text = sentence(note.event, note.fields)
        if note.event == "waiting":
            text = f"{text}; start one with: {self._hint}"
        fields = dict(note.fields)
        if fields.get("trace") in self._shown:  # two workers mostly fail alike: once is enough
            del fields["trace"]
        self._shown.add(fields.get("trace", ""))
        self._recorder.event(note.event, text, **fields)

    def _send(self, action: Send) -> list[Event]:
        began = time.monotonic()
        sent = self._outbox.send(action)
        self._phases.broadcast += time.monotonic() - began
        return [] if sent else [Unreachable(action.to)]

    def _apply(self, action: Apply) -> list[Event]:
        began = time.monotonic()
        try:
            parts = self._trainer.apply(action.part, action.value)
        except NonFiniteError as error:
            self.nonfinite = error
            return [StopAsked(str(error), 1)]
        self._phases.optimizer += time.monotonic() - began
        return [Written(action.step, tuple(parts))]

    def _commit(self, action: Commit) -> list[Event]:
        outcome = self._trainer.commit()
        self._outbox.forget_before(self._trainer.version)
        now = time.monotonic()
        spent, self._phases = self._phases, Phases(began=now)
        phases = {
            "compute": action.compute_s / max(action.workers, 1),
            "wait": spent.wait,
            "sum": spent.sum,
            "optimizer": spent.optimizer,
            "broadcast": spent.broadcast,
        }
        record = StepRecord.of(outcome, now - spent.began, action.workers, phases)
        self._recorder.step(record)
        return self._settled()

    def _evaluate(self, action: Evaluate) -> list[Event]:
        metrics, is_best = self._trainer.evaluate(action.value)
        self._recorder.evaluated(action.step, metrics, self._trainer.digest())
        self._phases = Phases()
        return self._settled(is_best)

    def _settled(self, is_best: bool = False) -> list[Event]:
        """Save, and stop, if it is time to; not while an evaluation is due."""
        if not self._trainer.evaluated:
            return []
        self.saver.settled(is_best)
        reason = self._trainer.stop_reason
        return [StopAsked(reason, 0, at_once=True)] if reason else []

    def _weights(self, version: int, chunk: int) -> list[Any]:
        buffers = len(self._layout.chunks) + len(self._layout.frozen)
        if chunk == buffers:
            return self._trainer.buffers(version)
        return [self._trainer.weights(version, chunk)]


def _is_partial(event: Event) -> bool:
    return isinstance(event, Heard) and isinstance(event.message, Partial)
