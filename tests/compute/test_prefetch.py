"""Samples read ahead, on a thread beside the computing one: the same bits as read in the leaf.

The dumb twin is the same job without reading ahead, which is what `workers=0` does.
"""

import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import keyed, overlap
from dtrain.autograd.dtypes import float32
from dtrain.errors import JobError, LeafError
from dtrain.gradsum import GradSum
from dtrain.leaf import LeafComputer
from dtrain.nn import Module
from dtrain.nn import functional as F
from dtrain.probe import probe
from dtrain.trainer import Trainer
from dtrain.tree import fold, root
from tests.compute.reading import (
    DRAWING,
    LATE,
    PATIENCE_S,
    REUSING,
    STILL,
    ChangesDtype,
    ChangesSamples,
    DrawsNumpy,
    DrawsPython,
    Logs,
    LossDraws,
    Pooled,
    Reads,
    RefillsBoxes,
    Waits,
    is_ahead,
)
from tests.compute.test_leaf import bits


def computer_of(job: Reads, ahead: bool = True) -> LeafComputer:
    """As in a worker: probed, then allowed to read ahead."""
    computer = LeafComputer(job)
    if ahead:
        computer.samples.prefetch.watch()
        computer.train(0, 0)
        computer.train(0, 1)
        computer.samples.prefetch.allow(worth_s=0.0)
        job.prefetch = computer.samples.prefetch
    return computer


def leaves(computer: LeafComputer, step: int, ahead: bool) -> list[GradSum]:
    """The leaves of a step, as a lease of all of them that waits for its weights."""
    count = computer.schedule.leaves(step)
    if not ahead:
        return [computer.train(step, leaf) for leaf in range(count)]
    computer.read_ahead("train", step, 0)
    return [
        computer.train(step, leaf, leaf + 1 if leaf + 1 < count else None) for leaf in range(count)
    ]


def trained(job: Reads, ahead: bool) -> tuple[str, list[Any], list[Any]]:
    """The digest of a whole run, all leaves on the way, and the evaluation."""
    computer = computer_of(job, ahead)
    trainer, seen = Trainer(computer), []
    for step in range(computer.schedule.steps):
        values = leaves(computer, step, ahead)
        seen += map(bits, values)
        total = fold(root(len(values)), len(values), values.__getitem__)
        for index, part in enumerate(total.parts):
            trainer.apply(index, part)
        trainer.commit()
    evaluated = bits(computer.evaluate(step, 0, 1)) + bits(computer.evaluate(step, 1))
    return trainer.digest(), seen, evaluated


@pytest.mark.parametrize("kind", [*STILL, *DRAWING], ids=lambda kind: kind.__name__)
def test_a_run_that_reads_ahead_has_the_bits_of_one_that_does_not(kind: type[Reads]) -> None:
    assert trained(kind(), ahead=True) == trained(kind(), ahead=False)


@pytest.mark.parametrize("kind", STILL, ids=lambda kind: kind.__name__)
def test_data_that_draw_from_keyed_streams_are_read_ahead_to_the_end(kind: type[Reads]) -> None:
    computer = computer_of(kind())
    for step in range(computer.schedule.steps):
        leaves(computer, step, ahead=True)
    assert computer.samples.prefetch.is_on


@pytest.mark.parametrize(
    "kind", [kind for kind in DRAWING if kind is not Pooled], ids=lambda kind: kind.__name__
)
def test_what_uses_global_generators_or_the_leafs_own_ends_it_for_good(kind: type[Reads]) -> None:
    computer = computer_of(kind())
    for step in range(computer.schedule.steps):
        leaves(computer, step, ahead=True)
    assert not computer.samples.prefetch.is_on


@pytest.mark.parametrize("kind", [DrawsNumpy, DrawsPython, LossDraws])
def test_what_draws_in_the_probes_leaves_already_is_never_read_ahead(kind: type[Reads]) -> None:
    computer = computer_of(kind())
    leaves(computer, 0, ahead=True)
    assert computer.train_data.ahead == []


def test_every_leaf_of_a_lease_is_read_ahead_once_and_in_order() -> None:
    computer = computer_of(Reads())
    leaves(computer, 3, ahead=True)
    at = [computer.samples.indices(computer.samples.place("train", 3, leaf)) for leaf in range(4)]
    assert computer.train_data.ahead == [(3, int(i)) for i in np.concatenate(at)]


def test_quick_data_are_read_by_the_leaf_itself() -> None:
    computer = computer_of(Reads())
    computer.samples.prefetch.watch()
    computer.samples.prefetch.allow(worth_s=60.0)
    leaves(computer, 0, ahead=True)
    assert computer.train_data.ahead == []


def test_without_being_told_nothing_is_read_ahead() -> None:
    computer = LeafComputer(Reads())
    leaves(computer, 0, ahead=True)
    assert computer.train_data.ahead == []


def test_another_leaf_than_the_one_read_ahead_waits_and_reads_for_itself() -> None:
    plain, computer = LeafComputer(Logs()), computer_of(Logs())
    computer.read_ahead("train", 1, 0)
    assert bits(computer.train(5, 3)) == bits(plain.train(5, 3))
    assert bits(computer.train(1, 0)) == bits(plain.train(1, 0))


def test_a_lease_told_twice_is_read_once() -> None:
    computer = computer_of(Reads())
    computer.read_ahead("train", 2, 0)
    computer.read_ahead("train", 2, 0)
    computer.train(2, 0)
    assert len(computer.train_data.ahead) == 4


# ----------------------------------------------------------------------- both at the same time


class Meets(Reads):
    """A draw of the thread that reads ahead, between two draws of the loss."""

    draw = staticmethod(dtrain.rand)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.first, self.second = threading.Event(), threading.Event()

    def offset(self, index: int) -> Any:
        if self.step != LATE:
            return 0.0
        if is_ahead():
            assert self.first.wait(PATIENCE_S)
        try:
            return float(self.draw(1)[0])
        finally:
            if is_ahead():
                self.second.set()

    def loss(self, model: Module, batch: Any) -> Any:
        factor = float(self.draw(1)[0])
        if self.step == LATE:
            self.first.set()
            if self.is_first_overlap():
                assert self.second.wait(PATIENCE_S)
        return super().loss(model, batch) * (1 + factor + float(self.draw(1)[0]))

    def is_first_overlap(self) -> bool:
        return overlap._NOW.overlap is not None and not self.second.is_set()


def numpy_draw(n: int) -> Any:
    return np.random.random(n)


def python_draw(n: int) -> list[float]:
    return [random.random() for _ in range(n)]


@pytest.mark.parametrize("draw", [dtrain.rand, numpy_draw, python_draw])
def test_a_draw_between_two_draws_of_the_loss_does_not_show(draw: Callable[..., Any]) -> None:
    kind = type("Meets", (Meets,), {"draw": staticmethod(draw)})
    computer, plain = LeafComputer(kind()), LeafComputer(kind())
    computer.samples.prefetch.watch()
    computer.samples.prefetch.allow(worth_s=0.0)  # as if nobody had drawn in the probe
    found = [bits(computer.train(LATE, 0, 1)), bits(computer.train(LATE, 1))]
    assert found == [bits(plain.train(LATE, 0)), bits(plain.train(LATE, 1))]
    assert not computer.samples.prefetch.is_on


def test_a_third_thread_that_draws_for_the_loss_does_not_show_either() -> None:
    class Meet(Pooled):
        def offset(self, index: int) -> Any:
            assert not is_ahead() or tried.wait(PATIENCE_S)
            return 0.0

        def loss(self, model: Module, batch: Any) -> Any:
            try:
                return super().loss(model, batch)
            finally:
                tried.set()

    tried = threading.Event()
    computer, plain = LeafComputer(Meet()), LeafComputer(Meet())
    computer.samples.prefetch.watch()
    computer.samples.prefetch.allow(worth_s=0.0)
    found = bits(computer.train(LATE, 0, 1))
    assert not computer.samples.prefetch.is_on
    assert found == bits(plain.train(LATE, 0))


def test_a_read_is_under_way_while_the_loss_runs() -> None:
    met = []

    class Both(Reads):
        def offset(self, index: int) -> Any:
            if is_ahead():
                reached.set()
                met.append(loss_runs.wait(PATIENCE_S))
            return 0.0

        def loss(self, model: Module, batch: Any) -> Any:
            if self.step == LATE:
                met.append(reached.wait(PATIENCE_S))
                loss_runs.set()
            return super().loss(model, batch)

    reached, loss_runs = threading.Event(), threading.Event()
    computer = computer_of(Both())
    computer.train(LATE, 0, 1)
    assert met == [True] * 5


# ------------------------------------------------------------------- memory that is used again


@pytest.mark.parametrize("kind", [*REUSING, RefillsBoxes], ids=lambda kind: kind.__name__)
def test_data_that_read_into_the_same_memory_again_have_the_bits_as_without_reading_ahead(
    kind: type[Waits],
) -> None:
    assert trained(kind(), ahead=True) == trained(kind(), ahead=False)


@pytest.mark.parametrize("kind", REUSING, ids=lambda kind: kind.__name__)
def test_these_are_read_ahead_beside_each_leaf_but_a_leases_last(kind: type[Waits]) -> None:
    job = kind()
    computer = computer_of(job)
    job.beside.clear()
    for step in range(computer.schedule.steps):
        leaves(computer, step, ahead=True)
    assert job.beside == [True, True, True, False] * computer.schedule.steps


def test_samples_of_an_unknown_type_are_never_computed_beside_a_read_and_end_it() -> None:
    job = RefillsBoxes()
    computer = computer_of(job)
    assert computer.samples.prefetch.is_on
    leaves(computer, 0, ahead=True)
    assert not computer.samples.prefetch.is_on
    assert not any(job.beside)


def test_a_loss_that_changes_the_datas_own_memory_is_found_by_the_probe() -> None:
    computer = LeafComputer(ChangesSamples())
    computer.samples.prefetch.watch()
    with pytest.raises(JobError, match="leaf 0"):
        probe(computer)


# ------------------------------------------------------------------------------------ mistakes


class Broken(Reads):
    """One sample cannot be read."""

    def offset(self, index: int) -> Any:
        if index == self.broken_one():
            raise ValueError("no such file")
        return 0.0

    def broken_one(self) -> int:
        order = keyed.order(self.seed, 0, 64)
        return int(order[16 * LATE + 4])  # in leaf 1


def test_an_exception_surfaces_in_the_leaf_with_the_users_traceback_and_the_sample() -> None:
    job = Broken()
    computer = computer_of(job)
    computer.train(LATE, 0, 1)
    with pytest.raises(LeafError) as caught:
        computer.train(LATE, 1, 2)
    assert (caught.value.step, caught.value.leaf) == (LATE, 1)
    assert "in offset" in caught.value.trace
    last = caught.value.trace.splitlines()[-1]
    assert last == f"sample {job.broken_one()} of Points: ValueError: no such file"


def test_an_exception_of_a_leaf_that_is_not_computed_vanishes() -> None:
    computer, plain = computer_of(Broken()), LeafComputer(Broken())
    computer.read_ahead("train", LATE, 1)
    assert bits(computer.train(LATE, 2)) == bits(plain.train(LATE, 2))


def test_an_exception_in_loss_comes_through_while_samples_are_read() -> None:
    class Fails(Reads):
        def loss(self, model: Module, batch: Any) -> Any:
            if self.step == LATE:
                raise ZeroDivisionError("of mine")
            return F.cross_entropy(model(batch[0]), batch[1])

    computer = computer_of(Fails())
    with pytest.raises(LeafError, match=f"step {LATE}, leaf 0: ZeroDivisionError: of mine"):
        computer.train(LATE, 0, 1)
    assert bits(computer.train(0, 1)) == bits(LeafComputer(Fails()).train(0, 1))


def test_the_leaf_after_this_one_must_exist() -> None:
    with pytest.raises(IndexError):
        LeafComputer(Reads()).train(0, 3, 4)


# ------------------------------------------------------------------------- what is read just now


def test_it_can_be_seen_which_sample_is_read_and_since_when() -> None:
    seen = []

    class Watched(Reads):
        def offset(self, index: int) -> Any:
            now = computer.samples.reading
            assert now is not None
            seen.append((str(now.at), now.sample == index, now.since > 0))
            return 0.0

    computer = LeafComputer(Watched(batch_size=4))
    computer.train(5, 2)
    assert seen == [("step 5, leaf 2", True, True)]
    assert computer.samples.reading is None


def test_after_a_leaf_the_default_dtype_is_the_old_one() -> None:
    computer = computer_of(ChangesDtype())
    for step in range(LATE + 1):
        leaves(computer, step, ahead=True)
    assert dtrain.get_default_dtype() == float32
