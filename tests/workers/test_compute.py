"""The compute thread, with the thread that reads beside it: real threads, no process, no socket."""

import os
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dtrain.gradsum import GradSum
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.tree import Node, fold
from dtrain.wire.messages import Lease, Welcome
from tests.compute.reading import DRAWING, Reads, is_ahead
from tests.compute.test_leaf import bits
from workers import compute, events

PATIENCE_S = 20.0


class Bench:
    """A compute thread on a bench, with the initial weights for every version."""

    def __init__(self, kind: type[Reads], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compute, "WORTH_S", 0.0)
        self.posted: queue.SimpleQueue[events.Event] = queue.SimpleQueue()
        self.job: Any = None
        self.kind = kind
        self.compute = compute.Compute(self.load, self.posted.put)
        self.compute.prepare(Welcome("n", 1.0, 10.0))
        prepared = self.next()
        assert isinstance(prepared, events.Prepared), prepared
        self.ready = prepared.ready
        weights, plain = self.compute.weights, LeafComputer(kind())
        assert weights
        for side in weights.vectors:
            for name, vector in side.items():
                vector[...] = plain.vectors[name]

    def load(self, settings: Mapping[str, Any]) -> Job:
        self.job = self.kind(**settings)
        return self.job

    def next(self) -> events.Event:
        return self.posted.get(timeout=PATIENCE_S)

    def lease(self, step: int, lo: int, hi: int, early: bool = True) -> list[events.Event]:
        """All that comes of a lease, whose weights came late, until the thread rests."""
        lease = Lease(1, "train", lo, hi, 4, step, 5.0)
        if early:
            self.compute.read_ahead(lease, step)
        self.compute.compute(lease, step)
        seen = [self.next()]
        while not isinstance(seen[-1], events.Rested):
            seen.append(self.next())
        return seen


def sums(seen: list[events.Event]) -> dict[Node, list[Any]]:
    return {
        node: bits(GradSum(parts))
        for event in seen
        if isinstance(event, events.LeafComputed)
        for node, parts in event.sums
    }


@pytest.mark.parametrize("kind", [Reads, *DRAWING[:5]], ids=lambda kind: kind.__name__)
def test_a_lease_is_worth_what_one_thread_computes(
    kind: type[Reads], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, plain = Bench(kind, monkeypatch), LeafComputer(kind())
    for step in range(4):
        [(node, found)] = sums(bench.lease(step, 0, 4)).items()
        alone = fold(node, 4, lambda leaf, step=step: plain.train(step, leaf))
        assert found == bits(alone)


def test_it_reads_on_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(Reads, monkeypatch)
    bench.lease(1, 0, 4)
    assert len(bench.job.points.ahead) == 16


def test_a_revoked_lease_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Reads):
        def offset(self, index: int) -> Any:
            if self.step == 1:
                raise ValueError("of a leaf that nobody wants")
            return 0.0

    bench = Bench(Broken, monkeypatch)
    bench.compute.read_ahead(Lease(1, "train", 0, 1, 4, 1, 5.0), 1)
    kinds = [type(event) for event in bench.lease(2, 0, 2, early=False)]
    assert kinds == [events.LeafComputed, events.LeafComputed, events.Rested]


def test_a_sample_that_cannot_be_read_fails_its_leaf_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(Reads):
        def offset(self, index: int) -> Any:
            if self.step == 1:
                raise ValueError("unreadable")
            return 0.0

    bench = Bench(Broken, monkeypatch)
    failed, rested = bench.lease(1, 2, 4)
    assert isinstance(failed, events.LeafFailed)
    assert isinstance(rested, events.Rested)
    assert failed.leaf == 2
    first, *_, last = failed.trace.splitlines()
    assert first.startswith("Traceback")
    assert last.startswith("sample ")
    assert last.endswith(" of Points: ValueError: unreadable")


def test_the_sample_that_is_read_can_be_seen_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    class Waits(Reads):
        def offset(self, index: int) -> Any:
            if is_ahead():
                indices.append(index)
                begun.set()
                assert go_on.wait(PATIENCE_S)
            return 0.0

    indices: list[int] = []
    begun, go_on = threading.Event(), threading.Event()
    bench = Bench(Waits, monkeypatch)
    assert bench.compute.reading() is None
    bench.compute.read_ahead(Lease(1, "train", 3, 4, 4, 2, 5.0), 2)
    assert begun.wait(PATIENCE_S)
    reading = bench.compute.reading()
    go_on.set()
    bench.lease(2, 3, 4)
    assert reading is not None
    assert (reading.phase, reading.step, reading.leaf) == ("train", 2, 3)
    assert [reading.sample] == indices[:1]


def test_each_worker_opens_the_data_itself_and_says_what_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Opens(Reads):
        def train_data(self) -> Any:
            (tmp_path / f"{os.getpid()} {threading.current_thread().name}").touch()
            return super().train_data()

    bench = Bench(Opens, monkeypatch)
    assert f"{os.getpid()} compute" in [file.name for file in tmp_path.iterdir()]
    assert bench.ready.data == LeafComputer(Opens()).data_identity
