"""The shell of an uplink: the two connections, and a poll that others can wake."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import zmq

from dtrain.errors import ProtocolError
from dtrain.uplink import SendUp
from dtrain.wire import sockets
from dtrain.wire.address import Address
from dtrain.wire.codec import Buffer, Packet

POLL_S_MAX = 1.0
PACKETS_A_TURN = 64


class Waker:
    """Wakes a poll from another thread or from a signal handler."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self.signals: list[int] = []

    def fileno(self) -> int:
        """For a poller."""
        return self._read.fileno()

    def wake(self) -> None:
        """Make the poll return now."""
        with contextlib.suppress(BlockingIOError):  # full: it is awake already
            self._write.send(b"w")

    def clear(self) -> None:
        """Ready for the next wake."""
        with contextlib.suppress(BlockingIOError):
            while self._read.recv(4096):
                pass

    def on_signals(self, *numbers: int) -> None:
        """Collect these signals in `signals` and wake the poll. Main thread only.

        SIGHUP that was ignored at the start, as under nohup, stays ignored.
        """
        for number in numbers:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(number)
        self.wake()


class Lifeline:
    """Standard input, whose other end a launcher holds: at end of file, the launcher is dead."""

    def __init__(self) -> None:
        os.set_blocking(sys.stdin.fileno(), False)

    def fileno(self) -> int:
        """For a poller."""
        return sys.stdin.fileno()

    def is_cut(self) -> bool:
        """Whether the launcher is gone."""
        try:
            return os.read(self.fileno(), 4096) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


class Link:
    """Control and bulk connection to one coordinator."""

    def __init__(self, address: Address, waker: Waker, lifeline: Lifeline | None = None) -> None:
        self._context = zmq.Context()
        self._address = address
        self._waker, self._lifeline = waker, lifeline
        self._control: zmq.Socket[Any] | None = None
        self._bulk: zmq.Socket[Any] | None = None
        self.is_orphaned = False

    def dial(self) -> None:
        """New connections with new identities; what the old ones carried is gone."""
        self.hang_up()
        self._control = sockets.dial(self._context, self._address)
        self._bulk = sockets.dial(self._context, self._address)

    def send(self, action: SendUp, buffers: Sequence[Buffer] = ()) -> None:
        """Send, without blocking; the buffers must not change any more."""
        connection = self._bulk if action.bulk else self._control
        if connection is not None:
            sockets.send(connection, action.envelope, action.message, buffers)

    def receive(self, until_s: float | None) -> list[Packet]:
        """What arrived, after waiting for at most so many seconds for something to happen."""
        wait_s = POLL_S_MAX if until_s is None else min(max(until_s, 0.0), POLL_S_MAX)
        self._poll(wait_s)
        packets: list[Packet] = []
        for connection in filter(None, (self._control, self._bulk)):
            for _ in range(PACKETS_A_TURN):
                packet = sockets.receive(connection)
                if packet is None:
                    break
                if not isinstance(packet, ProtocolError):  # a damaged message is a lost message
                    packets.append(packet)
        return packets

    def _poll(self, wait_s: float) -> None:
        poller = zmq.Poller()
        poller.register(self._waker.fileno(), zmq.POLLIN)
        if self._lifeline:
            poller.register(self._lifeline.fileno(), zmq.POLLIN)
        for connection in (self._control, self._bulk):
            if connection is not None:
                poller.register(connection, zmq.POLLIN)
        ready = dict(poller.poll(int(wait_s * 1000) + 1))
        if self._waker.fileno() in ready:
            self._waker.clear()
        if self._lifeline and self._lifeline.fileno() in ready:
            self.is_orphaned = self.is_orphaned or self._lifeline.is_cut()

    def hang_up(self, linger_ms: int = 0) -> None:
        """Close both connections; wait so long for what is still to be sent."""
        for connection in (self._control, self._bulk):
            if connection is not None:
                connection.close(linger=linger_ms)
        self._control = self._bulk = None

    def close(self, linger_ms: int = 500) -> None:
        """Close for good, giving last words a moment to leave."""
        self.hang_up(linger_ms)
        self._context.term()
