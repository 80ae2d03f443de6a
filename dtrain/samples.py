"""Which samples a leaf has, and reading them: in the leaf, or ahead of it on another thread."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dtrain import keyed, overlap
from dtrain.autograd import enable_grad, no_grad
from dtrain.autograd.dtypes import get_default_dtype
from dtrain.autograd.modes import MODE
from dtrain.blame import Place
from dtrain.checked import eval_data_of, length, order_of, train_data_of
from dtrain.data import default_collate
from dtrain.data.fetch import Read, read
from dtrain.data.identity import hash_of
from dtrain.data.owned import NotOwnable
from dtrain.job import Job
from dtrain.layout import Array
from dtrain.prefetch import Ahead, Prefetch
from dtrain.schedule import Schedule


class Reading(NamedTuple):
    """Samples that are being read just now."""

    at: Place
    sample: int | None  # index into the data; None where many are read in one call
    since: float  # time.monotonic()


class Samples:
    """A job's data, opened under its seed, and its schedule.

    prefetch    what reads ahead, once it is told to
    reading     what is read just now, on whichever thread, for those who watch
    """

    reading: Reading | None

    def __init__(self, job: Job) -> None:
        self.job = job
        self.train_data, self.eval_data = train_data_of(job), eval_data_of(job)
        self.schedule = job._schedule = _schedule(job, self.train_data, self.eval_data)
        self.prefetch, self.reading = Prefetch(), None
        self._order: tuple[int, Array] = (-1, np.empty(0, np.int64))

    def identity(self) -> str:
        """Lengths, and a hash of some samples, for people too. Raises JobError."""
        n, n_eval = self.schedule.samples, self.schedule.eval_samples
        found = hash_of(self.job, self.train_data, self.eval_data, self._at_once())
        return f"{n:,} training and {n_eval:,} evaluation samples, hash {found}"

    def place(self, phase: str, step: int, leaf: int) -> Place:
        """Raises IndexError for a leaf that does not exist."""
        at = Place(step, phase, leaf, self.schedule.batch(step).epoch)
        self._range(at)
        return at

    def indices(self, at: Place) -> Array:
        """A leaf's samples, in order."""
        lo, hi = self._range(at)
        return self._order_of(at.epoch)[lo:hi] if at.phase == "train" else np.arange(lo, hi)

    def collate(self) -> Callable[[list[Any]], Any]:
        """The job's own, or the default one, which need not have single samples."""
        is_default = getattr(self.job.collate, "__func__", None) is Job.collate
        return default_collate if is_default else self.job.collate

    # ---------------------------------------------------------------------------- reading them

    def get(self, at: Place, indices: Array, ahead: Ahead | None) -> Read:
        """The samples of the leaf that is computed: read ahead, or now."""
        if ahead is None:
            return self._read(at, indices)
        self.job._take_over(ahead.logs)
        return ahead.samples

    def begin(self, at: Place) -> None:
        """Read a leaf's samples on another thread while nothing is computed."""
        self.prefetch.begin(at, partial(self._read_ahead, at, self.indices(at)))

    @contextmanager
    def beside(self, at: Place | None, samples: Read) -> Iterator[Read]:
        """The same while another leaf is computed inside the block, where that is worth it.

        samples: of the leaf that is computed. The block gets them in memory of their own, before
                 reading begins: data may read into the same memory again
        """
        own = None if at is None or not self.prefetch.is_on else self._own(samples)
        if at is None or own is None:
            yield samples
            return
        with self.prefetch.beside(at, partial(self._read_ahead, at, self.indices(at))):
            yield own

    def _own(self, samples: Read) -> Read | None:
        """None, and nothing is read ahead any more, for what cannot be copied."""
        try:
            return samples.owned()
        except NotOwnable:
            self.prefetch.end()
            return None

    def _read(self, at: Place, indices: Array) -> Read:
        """The samples at these indices, on whichever thread."""
        data = self.train_data if at.phase == "train" else self.eval_data
        epoch = at.epoch if at.phase == "train" else None
        began = time.monotonic()

        def scope(index: int) -> keyed.Scope:
            self.reading = Reading(at, index, time.monotonic())
            return keyed.sample_scope(self.job.seed, epoch, index)

        self.reading = Reading(at, None, began)
        try:
            return read(data, indices, self._at_once(), scope)
        finally:
            self.reading = None
            self.prefetch.took(time.monotonic() - began)

    def _read_ahead(self, at: Place, indices: Array) -> Ahead:
        """The same as if inside that leaf, on the thread that reads ahead."""
        recorded = enable_grad() if at.phase == "train" else no_grad()
        self.job._enter_leaf(at.step, at.epoch)
        try:
            with keyed.NoScope(), recorded:
                before = _settings()
                samples = self._read(at, indices)
                if _settings() != before:  # it would hold for the rest of the leaf
                    overlap.refuse()
        finally:
            logs = self.job._hand_over()
        return Ahead(samples, logs)

    def _at_once(self) -> bool:
        return self.collate() is default_collate

    def _range(self, at: Place) -> tuple[int, int]:
        of = self.schedule
        return of.leaf(at.step, at.leaf) if at.phase == "train" else of.eval_leaf(at.leaf)

    def _order_of(self, epoch: int) -> Array:
        """The order of an epoch's samples; kept, as all leaves of an epoch need it."""
        if self._order[0] != epoch:
            self._order = epoch, order_of(self.job, self.schedule.samples, epoch)
        return self._order[1]


def _settings() -> tuple[Any, ...]:
    """What user code may set, of this thread and of the process."""
    modes = MODE.enabled, MODE.anomaly, MODE.check_nan
    return *modes, get_default_dtype(), tuple(np.geterr().values())


def _schedule(job: Job, train_data: Any, eval_data: Any) -> Schedule:
    return Schedule(
        samples=length(train_data),
        batch_size=job.batch_size * job.scale_batch,
        micro_batches=job.micro_batches * job.scale_batch,
        epochs=job.epochs,
        max_steps=job.max_steps,
        drop_last=job.drop_last,
        eval_samples=0 if eval_data is None else length(eval_data),
        eval_batch_size=job.eval_batch_size,
        eval_every=job.eval_every,
    )
