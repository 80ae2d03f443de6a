"""Reading samples ahead, on a thread of its own, beside a computation or while there is none.

A read belongs to one stretch of the compute thread's time: it begins and is waited for inside one
leaf, or between two. At both ends of the stretch no sample is being read, and there it is compared
where the global generators stand. If they moved, it cannot be told who drew: what was read is
thrown away, so is the leaf, and from then on nothing is read ahead any more. The same if somebody
was refused (`dtrain.overlap`), or if reading raised: the leaf's own thread reads again, inside the
leaf, and what is raised there is what the user sees.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dtrain import keyed, overlap
from dtrain.autograd.dtypes import set_default_dtype
from dtrain.blame import Place
from dtrain.data.fetch import Read
from dtrain.job import Logs

WORTH_S = 0.002  # for a leaf's samples; below, handing over costs more than it saves


class Ahead(NamedTuple):
    """A leaf's samples that were read ahead, and what was logged meanwhile."""

    samples: Read
    logs: Logs


@dataclass
class _Stretch:
    """From the beginning of a read until it is waited for."""

    at: Place
    work: Callable[[], Ahead]
    before: tuple[Any, ...]  # where the global generators stood
    overlap: overlap.Overlap
    done: threading.Event = field(default_factory=threading.Event)
    ahead: Ahead | None = None  # None: not read, or not well


class Prefetch:
    """Off at first; `watch`, then `allow`. At most one read is under way. All methods are for the
    compute thread, but for `took`."""

    def __init__(self) -> None:
        self._may, self._watches = False, False
        self._worth_s = 0.0
        self._last_s = 0.0
        self._stretch: _Stretch | None = None
        self._kept: tuple[Place, Ahead] | None = None
        self._tasks: queue.SimpleQueue[_Stretch] | None = None

    # ------------------------------------------------------------------------ whether to do it

    @property
    def is_on(self) -> bool:
        """Whether samples should be read ahead: it is allowed, and takes long enough."""
        return self._may and self._last_s >= self._worth_s

    def watch(self) -> None:
        """From here on look whether leaves, one after the other, draw from global generators."""
        self._watches = True

    def allow(self, worth_s: float) -> None:
        """From here on read ahead, unless a leaf that was watched drew, and where a leaf's samples
        take so long."""
        self._may, self._watches, self._worth_s = self._watches, False, worth_s

    def end(self) -> None:
        """Never again. Whatever is under way is not used."""
        self._may = self._watches = False

    def took(self, seconds: float) -> None:
        """Reading a leaf's samples took so long, on whichever thread."""
        self._last_s = seconds

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around what a leaf does: reading its samples, collate, loss."""
        if not self._watches:
            yield
            return
        before = keyed.ambient()
        yield
        if keyed.ambient() != before:
            self.end()

    # --------------------------------------------------------------------------------- doing it

    def begin(self, at: Place, work: Callable[[], Ahead]) -> None:
        """Read a leaf's samples while nothing is computed; `take` ends the stretch."""
        if self._stretch is not None and self._stretch.at == at:
            return
        self.settle()
        if self.is_on:
            self._start(at, work)

    @contextmanager
    def beside(self, at: Place, work: Callable[[], Ahead]) -> Iterator[None]:
        """Read a leaf's samples while another is computed inside the block.

        Raises Disturbed, whatever the block raises, if what it computed may not be used.
        """
        self._start(at, work)
        try:
            yield
        finally:
            if not self.settle():
                raise overlap.Disturbed

    def take(self, at: Place) -> Ahead | None:
        """The samples of a leaf if they were read ahead, after waiting for what is under way."""
        self.settle()
        kept, self._kept = self._kept, None
        return kept[1] if kept is not None and kept[0] == at else None

    def settle(self) -> bool:
        """Wait for the read that is under way; whether the stretch was undisturbed.

        The user's data have as long as they take: the deadline is the lease's.
        """
        stretch, self._stretch = self._stretch, None
        if stretch is None:
            return True
        stretch.done.wait()
        is_calm = not stretch.overlap.is_disturbed and keyed.ambient() == stretch.before
        if not is_calm:
            set_default_dtype(stretch.before[-1])
        if not is_calm or stretch.ahead is None:
            self.end()
        elif self._may:
            self._kept = stretch.at, stretch.ahead
        return is_calm

    def _start(self, at: Place, work: Callable[[], Ahead]) -> None:
        self._kept = None
        self._stretch = _Stretch(at, work, keyed.ambient(), overlap.begin())
        if self._tasks is None:
            self._tasks = queue.SimpleQueue()
            threading.Thread(target=_serve, args=(self._tasks,), name="read", daemon=True).start()
        self._tasks.put(self._stretch)


def _serve(tasks: "queue.SimpleQueue[_Stretch]") -> None:
    """The thread that reads: the process ends it."""
    while True:
        _read(tasks.get())


def _read(stretch: _Stretch) -> None:
    stretch.overlap.reading = threading.get_ident()
    try:
        stretch.ahead = stretch.work()
    except BaseException:  # whatever it is: the compute thread reads again, and raises it there
        stretch.ahead = None
    finally:
        overlap.end()
        stretch.done.set()
