"""The worker's decisions, one claim each, without sockets or clocks."""

from dataclasses import replace
from typing import Any

import pytest

from dtrain.tree import Node
from dtrain.uplink import Dial, Exit, SendUp, UplinkLimits
from dtrain.wire.messages import (
    PROTOCOL,
    Attach,
    Beat,
    Credit,
    Envelope,
    Hello,
    Lease,
    Leave,
    Message,
    Partial,
    Ready,
    Refused,
    Release,
    Revoke,
    Slow,
    Stop,
    Weights,
    Welcome,
)
from tests.world import LAYOUT
from workers.core import SLOW_S, Worker
from workers.events import (
    Abandon,
    Action,
    Compute,
    DrainAsked,
    Event,
    Heard,
    Install,
    LeafComputed,
    Prepare,
    Prepared,
    ReadAhead,
    Reading,
    Rested,
    Tick,
)

CHUNKS = range(len(LAYOUT.chunks) + len(LAYOUT.frozen))


class Bench:
    """A worker's core on a bench, with the coordinator's voice."""

    def __init__(self, window: int = 100) -> None:
        hello = Hello(PROTOCOL, "worker", "w", "h", 1, "")
        self.core = Worker(hello, UplinkLimits(window=window, reconnect_for_s=60))
        self.here = Envelope("run", 1, 7)
        self(Tick())

    def __call__(self, event: Event, now: float = 0.0) -> list[Action]:
        return self.core.handle(event, now)

    def hear(self, message: Message, step: int = 0, now: float = 0.0, **other: Any) -> list[Action]:
        where = {"run": "run", "term": 1, "session": self.here.session, "step": step, **other}
        return self(Heard(Envelope(**where), message, "bytes"), now)

    def welcome(self, attempt: int = 1, now: float = 0.0, **other: Any) -> list[Action]:
        message = Welcome(f"w/{attempt}", 1.0, 10.0, {}, LAYOUT.to_dict())
        return self.hear(message, now=now, **other)

    def prepare(self) -> list[Action]:
        self.welcome()
        return self(Prepared(Ready("L", "D", "P", 0.1, 4)))

    def weights(self, version: int) -> list[Action]:
        return [a for c in CHUNKS for a in self.hear(Weights(version, c))]

    def lease(self, number: int = 1, lo: int = 0, hi: int = 1, version: int = 0) -> list[Action]:
        return self.hear(Lease(number, "train", lo, hi, 4, version, 5.0), step=version)


def said(actions: list[Action], kind: type) -> list[Any]:
    """The messages of a kind among what was sent."""
    return [a.message for a in actions if isinstance(a, SendUp) and isinstance(a.message, kind)]


def did(actions: list[Action], kind: type) -> list[Any]:
    """The actions of a kind."""
    return [a for a in actions if isinstance(a, kind)]


def test_it_dials_then_says_hello() -> None:
    core = Worker(Hello(PROTOCOL, "worker", "w", "h", 1, ""))
    dial, hello = core.handle(Tick(), 0.0)
    assert isinstance(dial, Dial)
    assert said([hello], Hello)[0].nonce == "w/1"


def test_without_a_welcome_it_dials_again_and_waits_longer_each_time() -> None:
    core = Worker(Hello(PROTOCOL, "worker", "w", "h", 1, ""))
    now, waits = 0.0, []
    for _ in range(5):
        assert did(core.handle(Tick(), now), Dial)
        at = core.wake_at()
        assert at is not None
        waits.append(at - now)
        now = at
    assert waits[4] > waits[0]
    assert max(waits) <= 1.5 * UplinkLimits().dial_s_max


def test_a_welcome_attaches_bulk_and_prepares_the_job_once() -> None:
    bench = Bench()
    actions = bench.welcome()
    assert [attach.nonce for attach in said(actions, Attach)] == ["w/1"]
    assert len(did(actions, Prepare)) == 1
    assert bench.welcome() == []


def test_a_lease_waits_for_all_chunks_of_its_weights() -> None:
    bench = Bench()
    bench.prepare()
    assert did(bench.lease(), Compute) == []
    *almost, last = CHUNKS
    for chunk in almost:
        assert did(bench.hear(Weights(0, chunk)), Compute) == []
    assert [c.lease.lease for c in did(bench.hear(Weights(0, last)), Compute)] == [1]


def test_each_chunk_is_credited_as_it_is_installed() -> None:
    bench = Bench()
    bench.prepare()
    actions = bench.hear(Weights(0, 2))
    assert [(i.version, i.chunk) for i in did(actions, Install)] == [(0, 2)]
    assert [(c.version, c.chunk) for c in said(actions, Credit)] == [(0, 2)]


def test_a_chunk_for_the_place_that_is_read_waits_without_credit() -> None:
    bench = Bench()
    bench.prepare()
    bench.weights(0)
    bench.lease()
    early = bench.hear(Weights(2, 0))
    assert (did(early, Install), said(early, Credit)) == ([], [])
    assert len(did(bench.hear(Weights(1, 0)), Install)) == 1
    later = bench(Rested(1))
    assert [(i.version, i.chunk) for i in did(later, Install)] == [(2, 0)]
    assert len(said(later, Credit)) == 1


def test_sums_are_sent_by_credit_and_released_ones_make_room() -> None:
    bench = Bench(window=2)
    bench.prepare()
    bench.weights(0)
    bench.lease()
    sums = ((Node(0, 0), ["a", "b", "c"]),)
    first = bench(LeafComputed(1, 0, sums, 0.1))
    assert [p.part for p in said(first, Partial)] == [0, 1]
    assert [p.part for p in said(bench.hear(Release("train", 0, 0, 0)), Partial)] == [2]


def test_partials_that_nobody_releases_are_sent_again() -> None:
    bench = Bench()
    bench.prepare()
    bench.weights(0)
    bench.lease()
    bench(LeafComputed(1, 0, ((Node(0, 0), ["a"]),), 0.1))
    bench(Rested(1))
    assert len(said(bench(Tick(), now=6.0), Partial)) == 1


def test_a_revoked_lease_is_cut_short_and_its_sums_are_not_sent() -> None:
    bench = Bench()
    bench.prepare()
    bench.weights(0)
    bench.lease(hi=2)
    assert len(did(bench.hear(Revoke(1)), Abandon)) == 1
    assert bench(LeafComputed(1, 0, ((Node(0, 0), ["a"]),), 0.1)) == []


def test_a_lease_that_is_told_again_is_not_computed_twice() -> None:
    bench = Bench()
    bench.prepare()
    bench.weights(0)
    assert len(did(bench.lease(), Compute)) == 1
    assert did(bench.lease(), Compute) == []


def test_messages_of_other_sessions_terms_and_runs_change_nothing() -> None:
    bench = Bench()
    bench.prepare()
    bench.weights(0)
    lease = Lease(1, "train", 0, 1, 4, 0, 5.0)
    for other in ({"session": 6}, {"term": 0}, {"term": 2}, {"run": "x"}):
        assert bench.hear(lease, **other) == []


def test_silence_makes_it_dial_again_and_a_higher_term_is_welcome() -> None:
    bench = Bench()
    bench.prepare()
    again = bench(Tick(), now=11.0)
    assert len(did(again, Dial)) == 1
    assert said(again, Hello)[0].nonce == "w/1"
    assert [a.envelope.term for a in again if isinstance(a, SendUp)] == [1]
    resumed = bench.welcome(attempt=1, now=11.0, term=2, session=1)
    assert len(said(resumed, Ready)) == 1
    assert did(resumed, Prepare) == []


def test_a_lower_term_is_not_obeyed() -> None:
    bench = Bench()
    bench.prepare()
    bench(Tick(), now=11.0)
    assert bench.welcome(attempt=1, now=11.0, term=0) == []


def test_an_unknown_session_makes_it_dial_again() -> None:
    bench = Bench()
    bench.prepare()
    assert len(did(bench.hear(Refused("session", "", ""), session=0), Dial)) == 1


def test_a_refusal_ends_it_with_reason_and_remedy() -> None:
    bench = Bench()
    bench.prepare()
    [end] = did(bench.hear(Refused("job", "files differ", "copy them")), Exit)
    assert (end.code, "files differ" in end.reason, "copy them" in end.reason) == (2, True, True)


def test_stop_ends_it_with_the_code_that_the_coordinator_says() -> None:
    bench = Bench()
    bench.prepare()
    [end] = did(bench.hear(Stop("completed", 0)), Exit)
    assert end.code == 0


def test_asked_to_leave_it_sends_what_it_has_and_goes_when_that_is_released() -> None:
    bench = Bench()
    bench.prepare()
    bench.weights(0)
    bench.lease(hi=4)
    assert len(did(bench(DrainAsked()), Abandon)) == 1
    last = bench(Rested(1, ((Node(0, 0), ["a"]),)))
    assert (len(said(last, Partial)), did(last, Exit)) == (1, [])
    gone = bench.hear(Release("train", 0, 0, 0))
    assert len(said(gone, Leave)) == 1
    assert [end.code for end in did(gone, Exit)] == [0]


def test_asked_to_leave_it_does_not_wait_for_ever() -> None:
    bench = Bench()
    bench.prepare()
    bench.weights(0)
    bench.lease(hi=4)
    bench(DrainAsked())
    at = bench.core.wake_at()
    assert at is not None
    assert at <= 10.0
    assert [end.code for end in did(bench(Tick(), now=10.0), Exit)] == [0]


def test_without_a_coordinator_it_gives_up_and_says_for_how_long_it_tried() -> None:
    bench = Bench()
    [end] = did(bench(Tick(), now=61.0), Exit)
    assert (end.code, "60 s" in end.reason) == (1, True)


def test_it_beats_while_it_has_nothing_to_say() -> None:
    bench = Bench()
    bench.prepare()
    assert said(bench(Tick(), now=1.0), Beat) == [Beat(0)]


def test_the_job_of_an_earlier_session_is_not_announced_to_a_later_one() -> None:
    bench = Bench()
    bench.welcome()
    bench(Tick(), now=11.0)
    other = Welcome("w/1", 1.0, 10.0, {"batch_size": 128}, LAYOUT.to_dict())
    bench.hear(other, now=11.0, term=2, session=1)
    late = bench(Prepared(Ready("L", "D", "P", 0.1, 4)), now=11.1)
    assert said(late, Ready) == []
    assert [prepare.welcome.settings for prepare in did(late, Prepare)] == [{"batch_size": 128}]
    assert len(said(bench(Prepared(Ready("L", "D", "P", 0.1, 4)), now=11.2), Ready)) == 1


# ----------------------------------------------------------------------------------- the data


def test_a_lease_without_its_weights_has_its_samples_read_once() -> None:
    bench = Bench()
    bench.prepare()
    assert [(a.lease.lo, a.step) for a in did(bench.lease(3, lo=2, hi=4), ReadAhead)] == [(2, 0)]
    assert did(bench.lease(3, lo=2, hi=4), ReadAhead) == []
    assert len(did(bench.weights(0), Compute)) == 1


def test_a_lease_whose_weights_are_there_is_computed_at_once() -> None:
    bench = Bench()
    bench.prepare()
    bench.weights(0)
    assert did(bench.lease(), ReadAhead) == []


def test_samples_of_the_next_lease_are_read_when_the_one_before_is_done() -> None:
    bench = Bench()
    bench.prepare()
    bench.weights(0)
    bench.lease(1)
    assert did(bench.lease(2, version=1), ReadAhead) == []
    assert [a.lease.lease for a in did(bench(Rested(1)), ReadAhead)] == [2]


READING = Reading("train", step=5, leaf=3, sample=17, since=2.0)


def slow_at(bench: Bench, now: float, reading: Reading | None = READING) -> list[Slow]:
    return said(bench(Tick(reading), now), Slow)


def test_a_sample_that_is_read_for_ten_seconds_is_told_once() -> None:
    bench = Bench()
    bench.prepare()
    bench.hear(Beat(), now=9.0)  # the session goes on
    assert slow_at(bench, 11.9) == []
    assert slow_at(bench, 12.0) == [Slow("train", 3, 17, 10.0)]
    assert slow_at(bench, 15.0) == []


def test_it_is_told_for_its_step_and_again_for_the_next_sample() -> None:
    bench = Bench()
    bench.welcome()  # in the probe, too
    actions = bench(Tick(READING), now=9.0) + bench(Tick(replace(READING, since=-1.0)), now=9.5)
    [slow] = [a for a in actions if isinstance(a, SendUp) and isinstance(a.message, Slow)]
    assert slow.envelope.step == 5
    assert len(slow_at(bench, 9.9, replace(READING, sample=18, since=-0.5))) == 1


def test_it_wakes_when_the_ten_seconds_are_over() -> None:
    hello = Hello(PROTOCOL, "worker", "w", "h", 1, "")
    bench = Bench()
    bench.core = Worker(hello, UplinkLimits(reconnect_for_s=60))
    bench(Tick())
    bench.hear(Welcome("w/1", 60.0, 60.0, {}, LAYOUT.to_dict()))  # beats do not wake it
    at = bench.core.wake_at()
    assert at is not None
    bench(Tick(replace(READING, since=at - 1)), now=at)
    assert bench.core.wake_at() == at - 1 + SLOW_S


def test_without_a_session_nothing_is_told_and_later_it_is() -> None:
    bench = Bench()
    assert slow_at(bench, 20.0) == []
    bench(Tick(READING), now=20.0)
    bench.welcome(attempt=2, now=20.5)
    assert slow_at(bench, 20.6) == [Slow("train", 3, 17, pytest.approx(18.6))]
