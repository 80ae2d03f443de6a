"""The compute thread: builds the job, probes it, computes leases. It alone runs the user's code."""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dtrain import numerics
from dtrain.errors import DtrainError, LeafError
from dtrain.gradsum import GradSum
from dtrain.job import Job
from dtrain.layout import Layout
from dtrain.leaf import LeafComputer
from dtrain.prefetch import WORTH_S
from dtrain.probe import probe
from dtrain.samples import Samples
from dtrain.wire.messages import TRAIN, Lease, Ready, Welcome
from workers import events
from workers.counter import Counter

CREDIT = 16  # chunks of weights that may be on their way at once
TRACE_MAX = 1 << 16  # characters of a traceback that are sent


class Weights:
    """Two versions of the flat vectors and buffers, filled chunk by chunk as they arrive."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.vectors = [layout.allocate(), layout.allocate()]
        self.buffers = [
            [np.zeros(b.shape, b.dtype) for b in layout.buffers] for _ in range(2)
        ]  # fmt: skip

    def install(self, version: int, chunk: int, frames: tuple[memoryview, ...]) -> None:
        """Copy a chunk in. Raises ValueError when it has not the layout's size."""
        layout = self._layout
        trainable = len(layout.chunks)
        if chunk == trainable + len(layout.frozen):
            for buffer, frame in zip(self.buffers[version % 2], frames, strict=True):
                buffer[...] = np.frombuffer(frame, buffer.dtype).reshape(buffer.shape)
            return
        place = layout.chunk(chunk)
        both = [0, 1] if chunk >= trainable else [version % 2]  # frozen ones belong to any version
        for side in both:
            self._fill(self.vectors[side][place.vector][place.start : place.stop], *frames)

    def _fill(self, target: NDArray[Any], frame: memoryview) -> None:
        np.copyto(target, np.frombuffer(frame, target.dtype))


class Compute:
    """Runs tasks one after another on a thread of its own, and posts events."""

    def __init__(
        self,
        load: Callable[[Mapping[str, Any]], Job],
        post: Callable[[events.Event], None],
    ) -> None:
        self._load, self._post = load, post
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._abandoned = threading.Event()
        self._computer: LeafComputer | None = None
        self._samples: Samples | None = None  # its, from before the probe on
        self.weights: Weights | None = None
        threading.Thread(target=self._loop, name="compute", daemon=True).start()

    def prepare(self, welcome: Welcome) -> None:
        """Build and probe; posts Prepared or Unprepared."""
        self._tasks.put(lambda: self._prepare(welcome))

    def read_ahead(self, lease: Lease, step: int) -> None:
        """Begin to read the samples of a lease's first leaf, where that is worth it."""
        self._tasks.put(lambda: self._read_ahead(lease, step))

    def reading(self) -> events.Reading | None:
        """The sample that is being read just now; for any thread."""
        now = self._samples.reading if self._samples else None
        if now is None:
            return None
        sample = -1 if now.sample is None else now.sample
        return events.Reading(now.at.phase, now.at.step, now.at.leaf, sample, now.since)

    def compute(self, lease: Lease, step: int) -> None:
        """Compute a lease; posts LeafComputed, LeafFailed and at last Rested."""
        self._abandoned.clear()
        self._tasks.put(lambda: self._compute(lease, step))

    def abandon(self) -> None:
        """Stop after the current leaf."""
        self._abandoned.set()

    def _loop(self) -> None:
        while True:
            self._tasks.get()()  # the process ends this thread: it is a daemon

    def _prepare(self, welcome: Welcome) -> None:
        try:
            self._post(events.Prepared(self._build(welcome)))
        except BaseException as error:  # the user's code may raise anything, SystemExit too
            self._post(events.Unprepared(_reason(error), _trace(error)))

    def _build(self, welcome: Welcome) -> Ready:
        job = self._load(welcome.settings)
        numerics.limit_threads(job.blas_threads)
        if self._computer:
            self._computer.samples.prefetch.settle()
        computer = LeafComputer(job)
        self._samples = computer.samples
        computer.samples.prefetch.watch()
        probed = probe(computer)
        computer.samples.prefetch.allow(WORTH_S)
        self._computer, self.weights = computer, Weights(computer.layout)
        return Ready(
            layout=computer.layout.hash(),
            data=computer.data_identity,
            probe=probed.hash,
            leaf_s=probed.seconds_per_leaf,
            credit=CREDIT,
            fingerprint=numerics.fingerprint(),
            parameters=dict(probed.per_parameter),
        )

    def _read_ahead(self, lease: Lease, step: int) -> None:
        assert self._computer, "a lease before the job was built"
        with suppress(BaseException):  # whatever it is: the leaf raises it again, and is heard
            self._computer.read_ahead(lease.phase, step, lease.lo)

    def _compute(self, lease: Lease, step: int) -> None:
        computer, weights = self._computer, self.weights
        assert computer, "a lease before the job was built"
        assert weights, "a lease before there was a place for weights"
        side = lease.version % 2
        computer.bind(weights.vectors[side], weights.buffers[side])
        work = computer.train if lease.phase == TRAIN else computer.evaluate
        counter: Counter[GradSum] = Counter(lease.lo, lease.hi, lease.leaves)
        for leaf in range(lease.lo, lease.hi):
            if self._abandoned.is_set():
                break
            began = time.monotonic()
            following = leaf + 1 if leaf + 1 < lease.hi else None
            try:
                value = work(step, leaf, following)
            except BaseException as error:  # whatever it is, the coordinator must hear of it
                self._post(events.LeafFailed(lease.lease, leaf, _trace(error)))
                self._post(events.Rested(lease.lease))
                return
            sums = tuple((node, total.parts) for node, total in counter.push(leaf, value))
            seconds = time.monotonic() - began
            self._post(events.LeafComputed(lease.lease, leaf, sums, seconds))
        rest = tuple((node, total.parts) for node, total in counter.rest())
        self._post(events.Rested(lease.lease, rest))


def _reason(error: BaseException) -> str:
    if isinstance(error, DtrainError):
        return str(error)
    return f"the job cannot be built here: {type(error).__name__}: {error}"


def _trace(error: BaseException) -> str:
    """What the coordinator shows: the user's traceback, or one of our sentences; cut if long."""
    if isinstance(error, LeafError):
        trace = error.trace
    elif isinstance(error, DtrainError):
        trace = str(error)
    else:
        trace = "".join(traceback.format_exception(error))
    return trace[-TRACE_MAX:]
