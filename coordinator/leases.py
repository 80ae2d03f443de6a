"""The leases of one round: who computes which leaves until when, and what they are worth. Pure."""

from typing import Any

from coordinator.ledger import Ledger
from coordinator.limits import Limits
from coordinator.plan import bits, share
from coordinator.roster import Held, Peer, Roster
from coordinator.rounds import Round
from dtrain.wire.messages import Failed, Lease


class Leases:
    """Hands out a round's leaves until all are settled. A leaf is free, held or settled; the
    leaves of a lease that ran out are free again, though its holder may still answer."""

    def __init__(self, roster: Roster, limits: Limits) -> None:
        self._roster, self._limits = roster, limits
        self._number = 0
        self.round: Round | None = None
        self.ledger: Ledger[Any] = Ledger(1, 1)
        self.compute_s = 0.0  # that leaves of this round took, all workers together
        self._failures: dict[int, list[int]] = {}  # leaf -> sessions it failed in

    def begin(self, following: Round | None) -> None:
        """Open the next round; the holders of open leases have been told."""
        self.round = following
        self.compute_s = 0.0
        self._failures = {}
        for peer in self._roster:
            peer.benched = False
        if following is not None:
            self.ledger = Ledger(following.leaves, following.parts)

    def is_current(self, step: int, phase: str) -> bool:
        """Whether this is the round that is open."""
        return self.round is not None and (step, phase) == (self.round.step, self.round.phase)

    def grant(self, now: float) -> list[Peer]:
        """Give the free leaves to whoever is idle; returns those who got some."""
        held = sum(p.held.leaves for p in self._roster if p.held and not p.held.overdue)
        free = bits(0, self.ledger.leaves) & ~self.ledger.settled() & ~held
        if not free or self.round is None:
            return []
        granted = []
        takers = self._takers()
        for peer, (lo, hi) in zip(takers, share(free, len(takers)), strict=False):
            self._number += 1
            peer.held = Held(self._number, lo, hi, granted_at=now)
            granted.append(peer)
        return granted

    def _takers(self) -> list[Peer]:
        """Who is idle; those who failed in this round only if there is nobody else."""
        ready = self._roster.ready()
        idle = [peer for peer in ready if peer.is_idle]
        fit = [peer for peer in idle if not peer.benched]
        return fit if fit or any(not peer.benched for peer in ready) else idle

    def message(self, peer: Peer, held: Held) -> Lease:
        """The lease as its holder is told."""
        assert self.round is not None
        now = self.round
        time_s = self._time_s(peer, held)
        return Lease(held.lease, now.phase, held.lo, held.hi, now.leaves, now.version, time_s)

    def _time_s(self, peer: Peer, held: Held) -> float:
        leaves = (held.leaves & ~self.ledger.settled()).bit_count()
        return max(self._limits.lease_s, self._limits.lease_factor * peer.leaf_s * leaves)

    def start_clocks(self, now: float) -> None:
        """A lease's deadline covers computing: it begins when the weights are there."""
        version = self.round.version if self.round else 0
        for peer in self._roster:
            held = peer.held
            if held and held.deadline is None and peer.transfer.has_delivered(version):
                held.deadline = now + self._time_s(peer, held)

    def extend(self, peer: Peer, now: float) -> None:
        """Its holder has shown that it computes."""
        if peer.held:
            peer.held.deadline = now + self._time_s(peer, peer.held)
            peer.held.overdue = False

    def expire(self, peer: Peer, now: float) -> bool:
        """Whether its lease has run out just now; its holder is asked again then, in case a message
        was lost, and has twice the time to answer."""
        held = peer.held
        if held is None or held.deadline is None or now < held.deadline:
            return False
        held.overdue = True
        held.deadline = now + 2 * self._time_s(peer, held)
        return True

    def close(self, now: float) -> list[tuple[Peer, Held]]:
        """End the leases whose leaves are all settled, by whomever; returns those that were
        overdue, whose holders may still be computing."""
        settled = self.ledger.settled()
        outrun = []
        for peer in self._roster:
            held = peer.held
            if held and held.leaves & ~settled == 0:
                peer.held = None
                peer.learn_speed((now - held.granted_at) / (held.hi - held.lo))
                if held.overdue:
                    outrun.append((peer, held))
        return outrun

    def fail(self, peer: Peer, failed: Failed) -> int:
        """A leaf's code raised at its holder: the lease ends. Returns how often this leaf failed;
        0 for a report of something else or a repeat."""
        if peer.held is None or peer.held.lease != failed.lease:
            return 0
        peer.held, peer.benched = None, True
        sessions = self._failures.setdefault(failed.leaf, [])
        sessions.append(peer.session)
        return len(sessions)

    def failing(self) -> list[tuple[Peer, int]]:
        """At the end of a round: who failed a leaf that was computed after all, and which."""
        of = {session: leaf for leaf, sessions in self._failures.items() for session in sessions}
        peers = self._roster.peers
        return [(peers[session], leaf) for session, leaf in of.items() if session in peers]
