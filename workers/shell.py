"""The worker's shell: the one place with its sockets and clock. It asks the core and does."""

import queue
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dtrain import gradsum
from dtrain.job import Job
from dtrain.pinned import restart_pinned
from dtrain.uplink import Dial, Exit, SendUp, UplinkLimits
from dtrain.wire.address import Address
from dtrain.wire.link import Lifeline, Link, Waker
from dtrain.wire.messages import Hello, Partial
from workers import events
from workers.compute import Compute
from workers.core import Worker

# The compute thread holds the GIL while it runs Python; by default it would hand it over after 5 ms
# only, and a step of a small model takes less than that.
SWITCH_S = 0.0002
TELL_S = 3.0  # without a welcome, before saying so


class Shell:
    """Runs one worker until its core says Exit."""

    def __init__(
        self,
        address: Address,
        hello: Hello,
        load: Callable[[Mapping[str, Any]], Job],
        limits: UplinkLimits,
        tell: Callable[[str], None],
        lifeline: Lifeline | None = None,
    ) -> None:
        self._waker = Waker()
        self._waker.on_signals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._link = Link(address, self._waker, lifeline)
        self._core = Worker(hello, limits, time.monotonic())
        self._posted: queue.SimpleQueue[events.Event] = queue.SimpleQueue()
        self._compute = Compute(load, self._post)
        self._exit: Exit | None = None
        self._tell, self._name = tell, hello.name
        self._where, self._since = address.endpoint, time.monotonic()
        self._told = False  # that nobody answers

    def run(self) -> Exit:
        """Until the run is over for this worker."""
        sys.setswitchinterval(SWITCH_S)
        self._handle(events.Tick())
        while self._exit is None:
            wake_at = self._core.wake_at()
            packets = self._link.receive(None if wake_at is None else wake_at - time.monotonic())
            for packet in packets:
                self._handle(events.Heard(packet.envelope, packet.message, packet.buffers))
            while not self._posted.empty():
                self._handle(self._posted.get_nowait())
            self._handle_signals()
            self._tick()
            self._tell_of_silence()
        self._link.close()
        return self._exit

    def _tell_of_silence(self) -> None:
        """A wait explains itself, once."""
        if not self._told and time.monotonic() - self._since > TELL_S:
            self._told = True
            self._tell(f"{self._name}: nobody answers at {self._where} yet; still trying")

    def _post(self, event: events.Event) -> None:
        self._posted.put(event)
        self._waker.wake()

    def _handle_signals(self) -> None:
        if self._waker.signals or self._link.is_orphaned:
            self._waker.signals.clear()
            self._link.is_orphaned = False
            self._handle(events.DrainAsked())

    def _tick(self) -> None:
        wake_at = self._core.wake_at()
        if wake_at is not None and time.monotonic() >= wake_at:
            self._handle(events.Tick(self._compute.reading()))

    def _handle(self, event: events.Event) -> None:
        if self._exit is None:
            for action in self._core.handle(event, time.monotonic()):
                self._do(action)

    def _do(self, action: events.Action) -> None:
        match action:
            case Dial():
                self._link.dial()
            case SendUp():
                self._send(action)
            case events.Prepare():
                self._prepare(action)
            case events.Install():
                self._install(action)
            case events.ReadAhead():
                self._compute.read_ahead(action.lease, action.step)
            case events.Compute():
                self._compute.compute(action.lease, action.step)
            case events.Abandon():
                self._compute.abandon()
            case Exit():
                self._exit = self._exit or action

    def _prepare(self, action: events.Prepare) -> None:
        self._told = True
        self._tell(f"{self._name}: welcome at {self._where}; building the job")
        settings = action.welcome.settings
        restart_pinned(int(settings["blas_threads"]), str(settings["numerics"]))
        self._compute.prepare(action.welcome)

    def _send(self, action: SendUp) -> None:
        if isinstance(action.message, Partial):
            fields, arrays = gradsum.pack(action.part)
            message = replace(action.message, sums=fields)
            buffers = [array.data.cast("B") for array in arrays]
            self._link.send(replace(action, message=message), buffers)
        else:
            self._link.send(action)

    def _install(self, action: events.Install) -> None:
        weights = self._compute.weights
        assert weights is not None, "weights before the job was built"
        try:
            weights.install(action.version, action.chunk, action.buffer)
        except (ValueError, IndexError, TypeError) as error:
            self._exit = Exit(f"the coordinator sent weights of another layout: {error}", 1)
