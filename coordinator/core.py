"""The coordinator's decisions: events in, actions out. No socket, clock, thread or file. Pure.

membership (roster, admission) x sums (ledger) x order of work (rounds). Weights of version s are
computed on while version s+1 is written, chunk by chunk, as roots of the sum tree complete; the
step is committed when every chunk is written. A lost worker costs its unfinished leaves, no more.
"""

from typing import Any, assert_never

from coordinator.admission import Identity, drifts, objection_to_hello, objection_to_ready
from coordinator.events import (
    Action,
    Apply,
    Commit,
    Evaluate,
    Event,
    Finish,
    Garbled,
    Heard,
    Note,
    Save,
    Send,
    StopAsked,
    Tick,
    Unreachable,
    Written,
)
from coordinator.leases import Leases
from coordinator.limits import Limits
from coordinator.roster import Held, Peer, Roster
from coordinator.rounds import Round, Work
from coordinator.transfer import Chunk, Transfer
from coordinator.words import slow_sample
from dtrain.tree import Node
from dtrain.wire.messages import (
    LAUNCHER,
    TRAIN,
    Answer,
    Ask,
    Attach,
    Beat,
    Credit,
    Died,
    Envelope,
    Failed,
    Hello,
    Leave,
    Message,
    Partial,
    Progress,
    Ready,
    Refused,
    Release,
    Revoke,
    Slow,
    Stop,
    Weights,
    Welcome,
)


class Coordinator:
    """The one door is `handle`; `wake_at` says when to knock with a Tick."""

    def __init__(
        self,
        run: str,
        term: int,
        work: Work,
        identity: Identity,
        limits: Limits | None = None,
        version: int = 0,
        evaluated: bool = False,
        now: float = 0.0,
    ) -> None:
        self.run, self.term = run, term
        self.version = version  # committed
        self.finished = False
        self._work, self._identity, self._limits = work, identity, limits or Limits()
        self._roster = Roster()
        self._leases = Leases(self._roster, self._limits)
        self._sessions = self._garbled = 0
        self._stop_asked: StopAsked | None = None  # to be done when the step is committed
        self._stop_by: float | None = None  # and then at the latest
        self._has_begun = False  # the optimizer, with the step under way
        self._written: set[int] = set()
        self._beat_at = now
        self._alone_since: float | None = now
        self._notice_at = now + self._limits.notice_s
        self._out: list[Action] = []
        self._begin(work.resumed(version, evaluated))

    # ------------------------------------------------------------------------------ the door

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take in one event; return what the shell must do, in order. Never blocks, never raises
        for anything a peer did. `now` is monotonic seconds and must not decrease."""
        match event:
            case Heard():
                self._on_heard(event, now)
            case Garbled():
                self._on_garbled(event)
            case Unreachable():
                self._on_unreachable(self._roster.at(event.peer))
            case Written():
                self._on_written(event, now)
            case StopAsked():
                self._on_stop(event, now)
            case Tick():
                self._on_tick(now)
            case _:
                assert_never(event)
        if not self.finished:
            self._grant_all(now)
            self._send_weights(now)
            self._leases.start_clocks(now)
        done, self._out = self._out, []
        return done

    def wake_at(self) -> float | None:
        """When to send a Tick, in the clock of `now`; None when the run is over."""
        if self.finished:
            return None
        held = [peer.held.deadline for peer in self._roster if peer.held]
        transfers = [peer.transfer.wake_at() for peer in self._roster]
        silent = [self._lost_at(peer) for peer in self._roster]
        known = [at for at in [*held, *transfers, self._stop_by] if at is not None]
        return min([self._beat_at, *silent, *known])

    def why(self) -> str:
        """What the run waits for, in words."""
        if self.finished:
            return "the run is over"
        if self._leases.round is None:
            return "the last commit"
        if not self._roster.ready():
            preparing = sum(peer.hello.role == "worker" for peer in self._roster)
            return f"a worker: {preparing or 'none'} preparing"
        ledger = self._leases.ledger
        missing = ledger.leaves - ledger.settled().bit_count()
        holders = [f"{p.label} [{p.held.lo}, {p.held.hi})" for p in self._roster if p.held]
        return (
            f"{missing} of {ledger.leaves} leaves of {self._leases.round.phase} step "
            f"{self._leases.round.step}: {', '.join(holders) or 'not granted yet'}"
        )

    def status(self) -> dict[str, Any]:
        """What `dtrain status` shows."""
        return {
            "run": self.run,
            "term": self.term,
            "step": self.version,
            "steps": self._work.schedule.steps,
            "phase": self._leases.round.phase if self._leases.round else "done",
            "waits_for": self.why(),
            "workers": [
                {
                    "name": peer.hello.name,
                    "host": peer.hello.host,
                    "pid": peer.hello.pid,
                    "state": "ready" if peer.is_ready else "preparing",
                    "lease": f"[{peer.held.lo}, {peer.held.hi})" if peer.held else "",
                }
                for peer in self._roster
                if peer.hello.role == "worker"
            ],
        }

    # ------------------------------------------------------------------------------ messages

    def _on_heard(self, event: Heard, now: float) -> None:
        message, envelope = event.message, event.envelope
        if envelope.run == self.run and envelope.term > self.term:
            self._finish(f"superseded: a coordinator of term {envelope.term} has this run", 1)
            return
        match message:
            case Hello():
                self._on_hello(event.peer, message, now)
            case Attach():
                self._on_attach(event.peer, envelope, message)
            case Ask():
                self._on_ask(event.peer, message, now)
            case _:
                self._on_member(event, now)

    def _on_hello(self, connection: bytes, hello: Hello, now: float) -> None:
        peer = self._roster.at(connection)
        if peer is None:
            objection = objection_to_hello(self._identity, hello)
            if objection:
                self._refuse(connection, hello, objection)
                return
            self._sessions += 1
            transfer = Transfer(credit=1, resend_s=self._limits.resend_s)
            peer = Peer(self._sessions, connection, hello, now, transfer)
            self._roster.add(peer)
        self._say(peer, self._welcome(hello))

    def _welcome(self, hello: Hello) -> Welcome:
        limits, work = self._limits, self._work
        return Welcome(hello.nonce, limits.beat_s, limits.redial_s, work.settings, work.layout)

    def _on_attach(self, connection: bytes, envelope: Envelope, attach: Attach) -> None:
        peer = self._roster.peers.get(envelope.session)
        if peer is None or peer.bulk is not None or envelope.term != self.term:
            return
        if peer.hello.nonce == attach.nonce:
            self._roster.attach(peer, connection)
            self._welcome_in(peer)

    def _on_ask(self, connection: bytes, ask: Ask, now: float) -> None:
        match ask.what:
            case "status":
                pass
            case "stop":
                self._on_stop(StopAsked("stopped by request", 0), now)
            case "checkpoint":
                self._do(Save())
            case _:
                self._tell(connection, Refused("protocol", f"unknown question {ask.what!r}", ""))
                return
        self._tell(connection, Answer(self.status()))

    def _on_member(self, event: Heard, now: float) -> None:
        """A message that only a session may send."""
        peer = self._roster.at(event.peer)
        envelope = event.envelope
        if peer is None:
            if envelope.session and not self.finished:
                code = Refused("session", "this session is not known here", "dial again")
                self._tell(event.peer, code)
            return
        if (envelope.run, envelope.term, envelope.session) != (self.run, self.term, peer.session):
            return
        peer.heard_at = now
        if peer.hello.role == LAUNCHER:
            self._on_launcher(peer, event.message)
        else:
            self._on_worker(peer, event, now)

    def _on_launcher(self, peer: Peer, message: Message) -> None:
        match message:
            case Died():
                for gone in self._roster.of_process(message.host, message.pid):
                    self._lose(gone, message.reason)
            case Stop():
                self._finish(message.reason, message.code)
            case Beat():
                pass
            case _:
                self._drop(peer, Refused("protocol", "not a message for a launcher", ""))

    def _on_worker(self, peer: Peer, event: Heard, now: float) -> None:
        match event.message:
            case Ready():
                self._on_ready(peer, event.message)
            case Partial():
                self._on_partial(peer, event.envelope, event.message, event.part, now)
            case Progress():
                self._on_progress(peer, event.message, now)
            case Failed():
                self._on_failed(peer, event.envelope, event.message)
            case Slow():
                self._note("slow", **slow_sample(peer.label, event.envelope.step, event.message))
            case Credit():
                peer.transfer.acknowledge((event.message.version, event.message.chunk), now)
            case Beat():
                peer.suspect = peer.suspect and event.message.lease != 0
            case Leave():
                self._lose(peer, f"left: {event.message.reason}", event="leave")
            case _:
                self._drop(peer, Refused("protocol", "not a message for a worker", ""))

    def _on_garbled(self, event: Garbled) -> None:
        peer = self._roster.at(event.peer)
        self._garbled += 1
        if self._garbled & (self._garbled - 1) == 0:  # 1, 2, 4, 8 …: a flood must not fill the log
            who = peer.label if peer else "a stranger"
            self._note("garbled", peer=who, reason=event.reason, so_far=self._garbled)
        refused = Refused("protocol", event.reason, "is the other side a dtrain of this version?")
        if peer:
            self._drop(peer, refused)
        else:
            self._tell(event.peer, refused)

    def _on_ready(self, peer: Peer, ready: Ready) -> None:
        objection = objection_to_ready(self._identity, peer.hello.host, ready)
        if objection:
            self._drop(peer, objection)
        elif peer.ready is None:
            peer.ready = ready
            if drifts(self._identity, ready):
                self._note("drift", worker=peer.label)
            peer.leaf_s = ready.leaf_s
            peer.transfer.credit = max(1, ready.credit)
            self._welcome_in(peer)

    def _welcome_in(self, peer: Peer) -> None:
        """Both connections and the probe are there: it may have weights and leases."""
        if not peer.is_ready:
            return
        peer.transfer.restart(self._catalogue(self._work.everything()))
        peer.transfer.extend((self.version + 1, c) for c in self._written_chunks())
        self._alone_since = None
        hello = peer.hello
        self._note("join", worker=hello.name, host=hello.host, pid=hello.pid, session=peer.session)

    def _on_partial(
        self, peer: Peer, envelope: Envelope, partial: Partial, part: Any, now: float
    ) -> None:
        node = Node(partial.level, partial.index)
        release = Release(partial.phase, partial.level, partial.index, partial.part)
        self._say(peer, release, step=envelope.step)
        peer.suspect = False
        if not self._leases.is_current(envelope.step, partial.phase) or not peer.is_ready:
            return
        if not self._leases.ledger.is_valid(node, partial.part):
            reason = f"partial of node {tuple(node)} part {partial.part}, which does not exist"
            self._drop(peer, Refused("protocol", reason, ""))
            return
        self._leases.extend(peer, now)
        root = self._leases.ledger.offer(node, partial.part, part)
        self._close_leases(now)
        if root is not None:
            self._on_root(partial.part, root)

    def _on_root(self, part: int, value: Any) -> None:
        assert self._leases.round is not None
        if self._leases.round.phase == TRAIN:
            self._has_begun = True
            self._do(Apply(self._leases.round.step, part, value))
        else:
            self._do(Evaluate(self._leases.round.step, value))
            self._begin(self._work.following(self._leases.round))
            self._stop_if_asked()

    def _on_progress(self, peer: Peer, progress: Progress, now: float) -> None:
        peer.suspect = False
        if peer.held and peer.held.lease == progress.lease:
            self._leases.compute_s += max(0.0, progress.seconds)
            self._leases.extend(peer, now)

    def _on_failed(self, peer: Peer, envelope: Envelope, failed: Failed) -> None:
        if failed.leaf < 0:
            self._note("failed", worker=peer.label, where="preparing the job", trace=failed.trace)
            self._lose(peer, "could not prepare the job")
            return
        is_current = self._leases.is_current(envelope.step, failed.phase)
        failures = self._leases.fail(peer, failed) if is_current else 0
        if failures == 0:
            return
        where = f"{'step' if failed.phase == TRAIN else 'evaluation after step'} {envelope.step}"
        where = f"{where}, leaf {failed.leaf}"
        self._note("failed", worker=peer.label, where=where, trace=failed.trace)
        if failures > 1:
            last = failed.trace.strip().rpartition("\n")[2]
            what = last if where in last else f"{where}: {last}"  # our own sentences say where
            self._finish(f"the job's code failed twice: {what}", 1, failed.trace)

    # ------------------------------------------------------------------------- steps, rounds

    def _on_written(self, event: Written, now: float) -> None:
        if self.finished or not self._leases.is_current(event.step, TRAIN):
            return
        self._written.update(event.parts)
        fresh = [c for part in event.parts for c in self._work.weights_of(part)]
        for peer in self._roster.ready():
            peer.transfer.extend((self.version + 1, chunk) for chunk in fresh)
        if len(self._written) == self._work.parts:
            self._commit(now)

    def _commit(self, now: float) -> None:
        assert self._leases.round is not None
        self._do(Commit(self._leases.round.step, len(self._roster.ready()), self._leases.compute_s))
        behind = [p for p in self._roster.ready() if p.transfer.is_behind(self.version)]
        self.version += 1
        for peer in behind:
            has_frozen = not peer.transfer.waits_for_any(self._work.constant())
            chunks = self._work.changing() if has_frozen else self._work.everything()
            peer.transfer.restart(self._catalogue(chunks))
        self._begin(self._work.following(self._leases.round))
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        """Between two rounds. A signal does not wait for the evaluation of the step it waited for;
        a limit does."""
        doing = self._leases.round
        is_settled = doing is None or doing.phase == TRAIN
        if self._stop_asked and (is_settled or self._stop_asked.code):
            self._finish(self._stop_asked.reason, self._stop_asked.code)

    def _begin(self, following: Round | None) -> None:
        """Close the round's books and open the next."""
        for peer, leaf in self._leases.failing():
            if len(self._roster.ready()) > 1:
                reason = f"leaf {leaf} failed here and not elsewhere"
                self._drop(peer, Refused("failed", reason, "see its traceback"))
        for peer in self._roster:
            if peer.held:
                self._revoke(peer, peer.held)
        self._written, self._has_begun = set(), False
        self._leases.begin(following)
        if following is None:
            self._finish("completed", 0)

    def _on_stop(self, asked: StopAsked, now: float) -> None:
        """Whether the step under way is committed first: see StopAsked. A signal waits for that
        only while the optimizer's state is neither the old one nor the new, and not for long."""
        is_working = self._leases.round is not None and bool(self._roster.ready())
        is_error = asked.code == 1
        waits = self._has_begun if asked.code else not asked.at_once
        if is_working and waits and not is_error:
            self._stop_asked = asked
            if asked.code and self._stop_by is None:  # another signal does not put it off
                self._stop_by = now + self._limits.stop_s
        else:
            self._finish(asked.reason, asked.code)

    def _finish(self, reason: str, code: int, trace: str = "") -> None:
        if self.finished:
            return
        self.finished = True
        for peer in self._roster:
            self._say(peer, Stop(reason, code))
        self._do(Finish(reason, code, trace))

    # -------------------------------------------------------------------------------- leases

    def _grant_all(self, now: float) -> None:
        for peer in self._leases.grant(now):
            self._send_lease(peer)

    def _send_lease(self, peer: Peer) -> None:
        if peer.held and self._leases.round:
            lease = self._leases.message(peer, peer.held)
            self._say(peer, lease, step=self._leases.round.step)

    def _close_leases(self, now: float) -> None:
        for peer, held in self._leases.close(now):
            self._revoke(peer, held)

    def _revoke(self, peer: Peer, held: Held) -> None:
        peer.held = None
        peer.suspect = peer.suspect or held.overdue
        self._say(peer, Revoke(held.lease))

    # ------------------------------------------------------------------------------- weights

    def _send_weights(self, now: float) -> None:
        for peer in self._roster.ready():
            for version, chunk in peer.transfer.take(now):
                self._send_chunk(peer, version, chunk)

    def _send_chunk(self, peer: Peer, version: int, chunk: int) -> None:
        assert peer.bulk is not None
        envelope = Envelope(self.run, self.term, peer.session, version)
        self._do(Send(peer.bulk, envelope, Weights(version, chunk)))

    def _catalogue(self, chunks: list[int]) -> list[Chunk]:
        return [(self.version, chunk) for chunk in chunks]

    def _written_chunks(self) -> list[int]:
        return [c for part in sorted(self._written) for c in self._work.weights_of(part)]

    # ------------------------------------------------------------------------ time and losses

    def _on_tick(self, now: float) -> None:
        if self.finished:
            return
        if self._stop_asked and self._stop_by is not None and now >= self._stop_by:
            self._finish(self._stop_asked.reason, self._stop_asked.code)
        for peer in self._roster:
            if now >= self._lost_at(peer):
                self._lose(peer, f"nothing heard for {now - peer.heard_at:.1f} s")
        for peer in self._roster:
            self._check_deadlines(peer, now)
        if now >= self._beat_at:
            self._beat_at = now + self._limits.beat_s
            for peer in self._roster:
                self._say(peer, Beat())
        self._check_alone(now)

    def _lost_at(self, peer: Peer) -> float:
        """When a silent peer is given up: not within one leaf and a half, because the user's code
        may hold the interpreter's lock, and with it every thread of its process, for a whole leaf.
        """
        return peer.heard_at + max(self._limits.silence_s, 1.5 * peer.leaf_s)

    def _check_deadlines(self, peer: Peer, now: float) -> None:
        was_overdue = peer.held is not None and peer.held.overdue
        if self._leases.expire(peer, now):
            if peer.held and not was_overdue:
                self._note("overdue", worker=peer.label, lo=peer.held.lo, hi=peer.held.hi)
            self._send_lease(peer)
        for version, chunk in peer.transfer.overdue(now):
            if version >= self.version:
                self._send_chunk(peer, version, chunk)
            else:
                peer.transfer.acknowledge((version, chunk), now)  # overtaken: nobody needs it
        if peer.transfer.is_stuck:
            self._drop(peer, Refused("session", "it takes in no weights", "dial again"))

    def _check_alone(self, now: float) -> None:
        if self._roster.ready():
            self._alone_since = None
            return
        if self._stop_asked:
            self._finish(self._stop_asked.reason, self._stop_asked.code)
        if self._alone_since is None:
            self._alone_since, self._notice_at = now, now + self._limits.notice_s
        if now >= self._notice_at:
            self._notice_at = now + self._limits.repeat_s
            self._note("waiting", waits_for=self.why(), seconds=round(now - self._alone_since, 1))
        if now - self._alone_since > self._limits.alone_s:
            hours = self._limits.alone_s / 3600
            self._finish(f"no worker for {hours:g} hours; start one, then resume", 1)

    def _on_unreachable(self, peer: Peer | None) -> None:
        """No word of one that had not joined: it has dialled again, while this side was busy."""
        if peer is not None and not peer.is_ready:
            self._roster.remove(peer)
        self._lose(peer, "its connection is gone")

    def _lose(self, peer: Peer | None, reason: str, event: str = "lost") -> None:
        """Forget a peer; its leaves are free again."""
        if peer is None or peer.session not in self._roster.peers:
            return
        self._roster.remove(peer)
        if peer.hello.role == "worker":
            self._note(event, worker=peer.label, pid=peer.hello.pid, reason=reason)

    def _drop(self, peer: Peer, refused: Refused) -> None:
        """Send a peer away for what it did or is."""
        self._say(peer, refused)
        self._note("refused", worker=peer.label, code=refused.code, reason=refused.reason)
        self._lose(peer, refused.reason)

    def _refuse(self, connection: bytes, hello: Hello, refused: Refused) -> None:
        self._tell(connection, refused)
        self._note(
            "refused", worker=f"{hello.name}@{hello.host}", code=refused.code, reason=refused.reason
        )

    # --------------------------------------------------------------------------------- words

    def _do(self, action: Action) -> None:
        self._out.append(action)

    def _note(self, event: str, **fields: Any) -> None:
        self._do(Note(event, fields))

    def _say(self, peer: Peer, message: Message, step: int = 0) -> None:
        self._do(Send(peer.control, Envelope(self.run, self.term, peer.session, step), message))

    def _tell(self, connection: bytes, message: Message) -> None:
        """To somebody without a session."""
        self._do(Send(connection, Envelope(self.run, self.term), message))
