"""The worker's decisions: uplink + "compute this". Events in, actions out. Pure.

Two versions of the weights are held, s in the buffer of parity s % 2. A chunk is installed only
where the compute thread does not read; until then it waits, unacknowledged, so that credit holds
the coordinator back.
"""

from dataclasses import dataclass
from typing import Any, assert_never

from dtrain.errors import ProtocolError
from dtrain.layout import Layout
from dtrain.tree import Node
from dtrain.uplink import Exit, Uplink, UplinkLimits
from dtrain.wire.messages import (
    Beat,
    Credit,
    Failed,
    Hello,
    Lease,
    Leave,
    Partial,
    Progress,
    Revoke,
    Slow,
    Weights,
    Welcome,
)
from workers.events import (
    Abandon,
    Action,
    Compute,
    DrainAsked,
    Event,
    Heard,
    Install,
    LeafComputed,
    LeafFailed,
    Prepare,
    Prepared,
    ReadAhead,
    Reading,
    Rested,
    Tick,
    Unprepared,
)
from workers.held import Held, held_of

DRAIN_S = 10.0  # after SIGTERM, at the most
SLOW_S = 10.0  # for one sample, before saying so


@dataclass(frozen=True, slots=True)
class Wanted:
    """A lease, and the step it belongs to."""

    lease: Lease
    step: int


class Worker:
    """The one door is `handle`; `wake_at` says when to knock with a Tick."""

    def __init__(self, hello: Hello, limits: UplinkLimits | None = None, now: float = 0.0) -> None:
        self._uplink = Uplink(hello, limits, now)
        self._held = Held(frozenset(), frozenset())
        self._waiting: list[tuple[int, int, Any]] = []  # chunks whose place is being read
        self._want: Wanted | None = None  # granted, not begun
        self._doing: Wanted | None = None  # being computed
        self._done: Wanted | None = None  # computed last, in this session
        self._failed: Failed | None = None  # how that ended, if it did not end well
        self._is_stale = False  # what is being computed is not wanted any more
        self._preparing: Welcome | None = None  # for which session's job
        self._drain_by: float | None = None
        self._read_ahead = 0  # the lease whose samples were asked for before its weights came
        self._slow: Reading | None = None  # what was said to be slow
        self._look_at = now + SLOW_S  # whether the data are still at the same sample
        self._out: list[Action] = []

    # ------------------------------------------------------------------------------ the door

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take in one event; return what the shell must do, in order. Never blocks, never raises
        for anything the coordinator did. `now` is monotonic seconds and must not decrease."""
        match event:
            case Heard():
                self._on_heard(event, now)
            case Prepared() if self._is_prepared_for_now():
                self._uplink.ready(event.ready, now)
            case Unprepared() if self._is_prepared_for_now():
                self._on_unprepared(event)
            case Prepared() | Unprepared():
                self._prepare()  # the job of an earlier session: that one is over
            case LeafComputed():
                self._on_leaf(event, now)
            case LeafFailed():
                self._on_leaf_failed(event)
            case Rested():
                self._on_rested(event, now)
            case DrainAsked():
                self._on_drain(now)
            case Tick():
                self._uplink.tick(now, self._beat())
                self._look(event.reading, now)
            case _:
                assert_never(event)
        self._begin()
        self._leave_when_drained(now)
        return self._take()

    def wake_at(self) -> float | None:
        """When to send a Tick, in the clock of `now`; None when there is nothing more to do."""
        at = self._uplink.wake_at()
        if at is None:
            return None
        looks = [self._look_at] if self._uplink.is_welcome else []
        return min([at, *looks, *([] if self._drain_by is None else [self._drain_by])])

    def _take(self) -> list[Action]:
        """Everything to be done; nothing after an Exit."""
        done: list[Action] = [*self._out, *self._uplink.out]
        self._out, self._uplink.out = [], []
        end = next((i for i, action in enumerate(done) if isinstance(action, Exit)), len(done))
        return done[: end + 1]

    def _beat(self) -> Beat:
        return Beat(self._doing.lease.lease if self._doing else 0)

    # ------------------------------------------------------------------------------ messages

    def _on_heard(self, event: Heard, now: float) -> None:
        before = self._uplink.here
        theirs = self._uplink.hear(event.envelope, event.message, now)
        if self._uplink.here != before:
            self._on_session()
        if not theirs:
            return
        match event.message:
            case Weights():
                self._on_weights(event.message, event.buffer)
            case Lease():
                self._on_lease(Wanted(event.message, event.envelope.step), now)
            case Revoke():
                self._on_revoke(event.message)

    def _on_session(self) -> None:
        """A new session: nothing of an earlier one is wanted, and its weights are not trusted."""
        welcome = self._uplink.welcome
        assert welcome is not None
        self._want = self._done = self._failed = None
        self._read_ahead = 0
        self._cut_short()
        self._waiting = []
        try:
            self._held = held_of(Layout.from_dict(welcome.layout))
        except ProtocolError as error:
            self._uplink.exit(f"the coordinator's layout cannot be read: {error}", 1)
            return
        if not self._uplink.is_prepared and not self._preparing:
            self._prepare()

    def _prepare(self) -> None:
        self._preparing = self._uplink.welcome
        if self._preparing:
            self._out.append(Prepare(self._preparing))

    def _is_prepared_for_now(self) -> bool:
        """Whether what was prepared just now is the job that the session of now wants."""
        built, self._preparing = self._preparing, None
        wanted = self._uplink.welcome
        return bool(
            built and wanted and (built.settings, built.layout) == (wanted.settings, wanted.layout)
        )

    def _on_weights(self, weights: Weights, buffer: Any) -> None:
        version, chunk = weights.version, weights.chunk
        if self._held.needs(version, chunk) and self._is_read(version, chunk):
            self._waiting.append((version, chunk, buffer))
        else:
            self._install(version, chunk, buffer)

    def _is_read(self, version: int, chunk: int) -> bool:
        """Whether the compute thread reads the place of this chunk."""
        if self._doing is None:
            return False
        return (version - self._doing.lease.version) % 2 == 0 or chunk in self._held.constant

    def _install(self, version: int, chunk: int, buffer: Any) -> None:
        if self._held.needs(version, chunk):
            self._out.append(Install(version, chunk, buffer))
            self._held.add(version, chunk)
        self._uplink.send(Credit(version, chunk))

    def _on_lease(self, wanted: Wanted, now: float) -> None:
        """A repeat means that something was lost: say again what is known of it."""
        lease = wanted.lease.lease
        if self._doing and self._doing.lease.lease == lease and not self._is_stale:
            self._uplink.send(Progress(wanted.lease.phase, lease, -1, 0.0), wanted.step)
        elif self._done and self._done.lease.lease == lease and not self._is_stale:
            self._repeat(wanted)
        else:
            if self._drain_by is None:
                self._want = wanted
            self._cut_short()
            self._uplink.forget()

    def _repeat(self, wanted: Wanted) -> None:
        """Computed already: the failure is told again; sums are on their way or are computed
        again, if everything that was sent has been acknowledged and still something is missing."""
        if self._failed:
            self._uplink.send(self._failed, wanted.step)
        elif self._uplink.is_idle:
            self._want = wanted

    def _on_revoke(self, revoke: Revoke) -> None:
        if self._want and self._want.lease.lease == revoke.lease:
            self._want = None
        if self._doing and self._doing.lease.lease == revoke.lease:
            self._cut_short()
            self._uplink.forget()

    def _cut_short(self) -> None:
        if self._doing and not self._is_stale:
            self._is_stale = True
            self._out.append(Abandon())

    # ----------------------------------------------------------------------------- computing

    def _begin(self) -> None:
        """Start the lease that waits, once its weights are complete and nothing is computed; until
        they are, its first samples are read."""
        if self._doing or self._preparing or self._want is None or self._uplink.is_over:
            return
        if self._held.has(self._want.lease.version):
            self._doing, self._want = self._want, None
            self._is_stale = False
            self._failed = None
            self._out.append(Compute(self._doing.lease, self._doing.step))
        elif self._read_ahead != self._want.lease.lease:
            self._read_ahead = self._want.lease.lease
            self._out.append(ReadAhead(self._want.lease, self._want.step))

    def _on_leaf(self, event: LeafComputed, now: float) -> None:
        if self._doing is None or self._is_stale:
            return
        lease = self._doing.lease
        self._uplink.send(
            Progress(lease.phase, lease.lease, event.leaf, event.seconds), self._doing.step
        )
        self._send_sums(self._doing, event.sums, now)

    def _send_sums(
        self, doing: Wanted, sums: tuple[tuple[Node, list[Any]], ...], now: float
    ) -> None:
        lease = doing.lease
        for node, parts in sums:
            for index, part in enumerate(parts):
                partial = Partial(lease.phase, node.level, node.index, index, lease.lease)
                self._uplink.send_partial(doing.step, partial, part, now)

    def _on_leaf_failed(self, event: LeafFailed) -> None:
        if self._doing is None or self._is_stale:
            return
        lease = self._doing.lease
        self._failed = Failed(lease.phase, lease.lease, event.leaf, event.trace)
        self._uplink.send(self._failed, self._doing.step)

    def _on_rested(self, event: Rested, now: float) -> None:
        if self._doing and not self._is_stale:
            self._send_sums(self._doing, event.sums, now)
        self._done, self._doing = (None if self._is_stale else self._doing), None
        self._is_stale = False
        waiting, self._waiting = self._waiting, []
        for version, chunk, buffer in waiting:
            self._install(version, chunk, buffer)

    def _look(self, reading: Reading | None, now: float) -> None:
        """Tell of a sample that takes long, once; say when to look again."""
        self._look_at = now + SLOW_S
        if reading is None or reading == self._slow or not self._uplink.is_welcome:
            return
        if now < reading.since + SLOW_S:
            self._look_at = reading.since + SLOW_S
            return
        self._slow = reading
        slow = Slow(reading.phase, reading.leaf, reading.sample, now - reading.since)
        self._uplink.send(slow, reading.step)

    # ---------------------------------------------------------------------- beginning and end

    def _on_unprepared(self, event: Unprepared) -> None:
        self._uplink.send(Failed("train", 0, -1, event.trace))
        self._uplink.exit(event.reason, 2)

    def _on_drain(self, now: float) -> None:
        """Finish the current leaf, send what there is, leave."""
        if self._drain_by is None:
            self._drain_by = now + DRAIN_S
            self._want = None
            if self._doing:
                self._out.append(Abandon())

    def _leave_when_drained(self, now: float) -> None:
        if self._drain_by is None or self._uplink.is_over:
            return
        drained = self._doing is None and self._uplink.is_idle
        if drained or now >= self._drain_by:
            self._uplink.send(Leave("asked to"))
            self._uplink.exit("left as asked", 0)
