"""Weights on their way to one peer, by credit. Pure.

At most `credit` chunks are unacknowledged. A version that is overtaken is not sent to its end.
"""

from collections import deque
from collections.abc import Iterable

Chunk = tuple[int, int]  # version, index


class Transfer:
    """What one peer has of the weights, and what is on its way."""

    def __init__(self, credit: int, resend_s: float) -> None:
        self.credit = credit
        self._resend_s = resend_s
        self._todo: deque[Chunk] = deque()
        self._in_flight: dict[Chunk, None] = {}
        self._moved_at = 0.0  # when the peer last acknowledged, or was last sent to
        self._patience_s = resend_s

    def restart(self, chunks: Iterable[Chunk]) -> None:
        """Send these, and nothing that was waiting."""
        self._todo = deque(chunks)

    def extend(self, chunks: Iterable[Chunk]) -> None:
        """Send these too."""
        self._todo.extend(chunks)

    def is_behind(self, version: int) -> bool:
        """Whether a chunk of this or an older version still waits to be sent."""
        return any(chunk[0] <= version for chunk in self._todo)

    def waits_for_any(self, indices: range) -> bool:
        """Whether a chunk with one of these indices still waits to be sent."""
        return any(chunk[1] in indices for chunk in self._todo)

    def has_delivered(self, version: int) -> bool:
        """Whether every chunk up to this version has been acknowledged."""
        return not self.is_behind(version) and all(v > version for v, _ in self._in_flight)

    def acknowledge(self, chunk: Chunk, now: float) -> None:
        """The peer has taken in a chunk."""
        if chunk in self._in_flight:
            del self._in_flight[chunk]
            self._moved_at = now
            self._patience_s = self._resend_s

    def take(self, now: float) -> list[Chunk]:
        """The chunks to send now."""
        due = []
        while self._todo and len(self._in_flight) < self.credit:
            chunk = self._todo.popleft()
            self._in_flight[chunk] = None
            due.append(chunk)
        if due:
            self._moved_at = now
        return due

    def overdue(self, now: float) -> list[Chunk]:
        """What to send again: nothing was acknowledged for too long. Patience doubles."""
        at = self.wake_at()
        if at is None or now < at:
            return []
        self._moved_at = now
        self._patience_s *= 2
        return list(self._in_flight)

    def wake_at(self) -> float | None:
        """When `overdue` has something to say."""
        return self._moved_at + self._patience_s if self._in_flight else None

    @property
    def is_stuck(self) -> bool:
        """Whether the peer has drained nothing through several repeats."""
        return self._patience_s > 8 * self._resend_s
