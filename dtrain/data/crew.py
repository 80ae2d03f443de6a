"""The worker processes of a DataLoader, seen from the process that started them."""

import multiprocessing
import os
import pickle
import select
import signal
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from dtrain.data import channel
from dtrain.data.worker import GRACE_S, STOP, Orders, work

CHECK_S = 5.0  # the longest wait before the workers are looked at
KILL_S = 1.0  # to end by SIGTERM, before SIGKILL

PICKLING = (
    "Worker processes are started by '{method}', which pickles the dataset, collate_fn and "
    "worker_init_fn: define them at the top of a module, or pass multiprocessing_context='fork'"
)

_our_ends: "weakref.WeakSet[Connection]" = weakref.WeakSet()


def _close_our_ends() -> None:
    """In a child process: a pipe that it held open as well would never be seen to end."""
    for connection in [*_our_ends]:
        connection.close()


os.register_at_fork(after_in_child=_close_our_ends)


class _Hand:
    """One worker process and its two pipes."""

    def __init__(self, context: Any, orders: Orders) -> None:
        theirs_in, self.tasks = context.Pipe(duplex=False)
        self.batches, theirs_out = context.Pipe(duplex=False)
        _our_ends.update((self.tasks, self.batches))
        self.process: Any = context.Process(
            target=work, args=(orders, theirs_in, theirs_out), daemon=True
        )
        try:
            self.process.start()
        except BaseException as error:
            self.close_pipes()
            if isinstance(error, TypeError | AttributeError | pickle.PicklingError):
                error.add_note(PICKLING.format(method=context.get_start_method()))
            raise
        finally:
            theirs_in.close()
            theirs_out.close()
        os.set_blocking(self.tasks.fileno(), False)
        os.set_blocking(self.batches.fileno(), False)
        self.arriving: Iterator[channel.Parts | None] = channel.frames(self.batches.fileno())
        self.is_needed = True  # not told to stop yet

    def send(self, message: Any) -> None:
        """Put a message into its pipe. Raises RuntimeError if it has died."""
        try:
            channel.write(self.tasks.fileno(), channel.packed(message), self._wait_for_room)
        except BrokenPipeError:
            raise self.death() from None

    def arrived(self) -> Iterator[Any]:
        """The messages that have arrived in full. Raises RuntimeError if it has died."""
        try:
            while (parts := next(self.arriving, None)) is not None:
                yield channel.unpacked(parts)
        except EOFError:
            if self.is_needed:
                raise self.death() from None

    def death(self) -> RuntimeError:
        """The error that says that, and how, this worker has died."""
        self.process.join(CHECK_S)
        code = self.process.exitcode
        how = "" if code is None else f" with exit code {code}"
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in [*signal.Signals] else ""
            how = f": it was killed by signal {-code} {name}"
            how += ", perhaps for lack of memory" if code == -signal.SIGKILL else ""
        return RuntimeError(
            f"DataLoader worker (pid(s) {self.process.pid}) exited unexpectedly{how}"
        )

    def dismiss(self) -> None:
        """Tell it to stop, if it still listens."""
        self.is_needed = False
        with suppress(OSError, RuntimeError):
            channel.write(self.tasks.fileno(), channel.packed(STOP), _give_up)

    def close_pipes(self) -> None:
        """Close this side's ends; a worker takes that as an order to stop."""
        self.tasks.close()
        self.batches.close()

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self.tasks.fileno(), select.POLLOUT)
        if not poll.poll(CHECK_S * 1000) and not self.process.is_alive():
            raise self.death()


class Crew:
    """Worker processes: started at once, closed in the end, whatever happens between.

    Raises RuntimeError from `send` or `receive`, naming it, when a worker has died.
    """

    def __init__(self, context: Any, orders: Sequence[Orders]) -> None:
        self._context = context or multiprocessing.get_context()
        self._owner = os.getpid()
        self._hands: list[_Hand] = []
        self._arrived: deque[tuple[int, Any]] = deque()
        self.is_closed = False
        try:
            for each in orders:
                self._hands.append(_Hand(self._context, each))
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The process ids, in the order of the workers."""
        return [hand.process.pid for hand in self._hands]

    def send(self, worker: int, message: Any) -> None:
        """Send a message to a worker."""
        self._hands[worker].send(message)

    def receive(self, timeout_s: float | None) -> tuple[int, Any]:
        """The next message of any worker, and whose it is.

        Raises RuntimeError if there is none within `timeout_s`; None waits while all are alive.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._arrived:
            left = CHECK_S if end is None else end - time.monotonic()
            if left <= 0:
                raise RuntimeError(f"DataLoader timed out after {timeout_s} seconds")
            self._wait(min(left, CHECK_S))
        return self._arrived.popleft()

    def dismiss(self, worker: int) -> None:
        """Let a worker go that has nothing left to read."""
        self._hands[worker].dismiss()

    def close(self) -> None:
        """End all workers: ask, wait, then kill. Does nothing in a process that is not theirs."""
        if self.is_closed or os.getpid() != self._owner:
            return
        self.is_closed = True
        for hand in self._hands:
            if hand.is_needed:
                hand.dismiss()
            hand.close_pipes()
        processes = [hand.process for hand in self._hands]
        end = time.monotonic() + GRACE_S
        for process in processes:
            process.join(max(end - time.monotonic(), 0.0))
        for end_it in ("terminate", "kill"):
            for process in processes:
                if process.exitcode is None:
                    getattr(process, end_it)()
                    process.join(KILL_S)

    def _wait(self, timeout_s: float) -> None:
        """Take in what has arrived, or arrives within this time."""
        needed = [hand for hand in self._hands if hand.is_needed]
        ready = wait([hand.batches for hand in needed], timeout_s)
        for worker, hand in enumerate(self._hands):
            if hand.batches in ready:
                self._arrived.extend((worker, message) for message in hand.arrived())
            elif hand.is_needed and not ready and not hand.process.is_alive():
                raise hand.death()


def _give_up() -> None:
    raise BlockingIOError
