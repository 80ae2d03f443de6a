"""Which worker reads which batch, and which batch is handed out next. Pure."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any, NamedTuple


class Turn(NamedTuple):
    """One batch at one worker."""

    number: int  # batches are numbered from 0 as they are handed to workers
    worker: int


class Turns:
    """The batches of one pass: out at a worker, arrived, handed out.

    Workers take turns, so that a worker's batches, and the random numbers that it draws for them,
    do not depend on how fast anybody is. In order, batches are handed out as they were handed to
    the workers; else as they arrive, and a worker that is slow gets fewer.
    """

    def __init__(self, workers: int, ahead: int, in_order: bool) -> None:
        self._in_order = in_order
        self._ahead_all = ahead * workers
        self._workers: Iterator[int] = cycle(range(workers))
        self._is_reading = [True] * workers
        self._out: dict[int, int] = {}  # number -> worker: not handed out yet
        self._arrived: dict[int, Any] = {}  # number -> batch: before its turn
        self._sent = self._due = 0

    def next_turn(self) -> Turn | None:
        """The next batch and who is to read it; None if everybody is done or has enough to do."""
        for _ in self._is_reading:
            worker = next(self._workers)
            if self._is_reading[worker] and (self._in_order or self._has_room(worker)):
                turn = Turn(self._sent, worker)
                self._out[turn.number] = worker
                self._sent += 1
                return turn
        return None

    def arrive(self, number: int, batch: Any) -> None:
        """A worker has read a batch."""
        self._arrived[number] = batch
        if not self._in_order:
            self._due = number

    def end(self, worker: int) -> None:
        """A worker's samples are used up: what it still has to read will not come."""
        self._is_reading[worker] = False

    def is_waiting(self) -> bool:
        """Whether the batch that is due has yet to arrive."""
        self._skip()
        return bool(self._out) and self._due not in self._arrived

    def is_over(self) -> bool:
        """Whether every batch was handed out, or will not come."""
        self._skip()
        return not self._out

    def hand_out(self) -> Any:
        """The batch that is due, which has arrived."""
        number = self._due
        del self._out[number]
        if self._in_order:
            self._due += 1
        return self._arrived.pop(number)

    def _has_room(self, worker: int) -> bool:
        busy = sum(out == worker for out in self._out.values())
        return busy < self._ahead_all // sum(self._is_reading)

    def _skip(self) -> None:
        """Forget what will not come; in order, go on to the next batch that will."""
        for number, worker in [*self._out.items()]:
            if not self._is_reading[worker] and number not in self._arrived:
                del self._out[number]
        if self._in_order and self._out:
            self._due = min(self._out)
