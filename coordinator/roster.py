"""Peers: who is there, since when nothing was heard of them, what they hold. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from coordinator.plan import bits
from coordinator.transfer import Transfer
from dtrain.wire.messages import Hello, Ready


@dataclass(slots=True)
class Held:
    """A lease that a peer holds."""

    lease: int
    lo: int
    hi: int
    granted_at: float
    deadline: float | None = None  # None while its weights are still on their way
    overdue: bool = False

    @property
    def leaves(self) -> int:
        """As the bits of an integer."""
        return bits(self.lo, self.hi)


@dataclass(slots=True)
class Peer:
    """One session of one process."""

    session: int
    control: bytes
    hello: Hello
    heard_at: float
    transfer: Transfer
    bulk: bytes | None = None
    ready: Ready | None = None
    held: Held | None = None
    suspect: bool = False  # overran a lease and has not answered since
    benched: bool = False  # failed a leaf of this round
    leaf_s: float = 0.0

    @property
    def is_ready(self) -> bool:
        """May compute: admitted, and its bulk connection is known."""
        return self.ready is not None and self.bulk is not None

    @property
    def is_idle(self) -> bool:
        """Would take a lease."""
        return self.is_ready and self.held is None and not self.suspect

    def learn_speed(self, seconds: float) -> None:
        """A leaf took so long: a running mean over the last few leases."""
        self.leaf_s += (seconds - self.leaf_s) / 4

    @property
    def label(self) -> str:
        """For messages: name@host."""
        return f"{self.hello.name}@{self.hello.host}"


@dataclass(slots=True)
class Roster:
    """All sessions, by number and by either of their connections."""

    peers: dict[int, Peer] = field(default_factory=dict)
    _of: dict[bytes, int] = field(default_factory=dict)

    def add(self, peer: Peer) -> None:
        """A new session; it has its control connection so far."""
        self.peers[peer.session] = peer
        self._of[peer.control] = peer.session

    def attach(self, peer: Peer, bulk: bytes) -> None:
        """The session's bulk connection has shown itself."""
        peer.bulk = bulk
        self._of[bulk] = peer.session

    def remove(self, peer: Peer) -> None:
        """Forget a session and its connections."""
        self.peers.pop(peer.session, None)
        for connection in (peer.control, peer.bulk):
            self._of.pop(connection or b"", None)

    def at(self, connection: bytes) -> Peer | None:
        """Whose connection this is."""
        return self.peers.get(self._of.get(connection, 0))

    def of_process(self, host: str, pid: int) -> list[Peer]:
        """The sessions of a process: two, if it has dialled again and the old one is still here."""
        return [p for p in self if (p.hello.host, p.hello.pid) == (host, pid)]

    def ready(self) -> list[Peer]:
        """Those who compute, in order of joining."""
        return [peer for peer in self if peer.is_ready]

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self.peers.values()))
