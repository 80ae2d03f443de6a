"""A worker process of a DataLoader: tasks come in by one pipe, batches go out by another.

The main thread reads samples. One thread takes in tasks all the time, one sends off batches, so
that neither process ever waits for the other's pipe. The worker ends when it is told to, or when
the other end of its pipe is gone with the process that started it.
"""

import os
import random
import select
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from dtrain.data import channel
from dtrain.data.fetchers import Fetch, Reading, fetcher
from dtrain.random import manual_seed

PARENT_CHECK_S = 5.0  # how often to see whether the parent is there, should its pipe not say so
GRACE_S = 5.0  # to finish the sample that is being read when the end comes

STOP = None


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker process knows of itself: `dataset` is its own copy."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class Orders(NamedTuple):
    """What a worker is started with."""

    reading: Reading
    base_seed: int
    init: Callable[[int], None] | None
    id: int
    workers: int

    @property
    def seed(self) -> int:
        """The seed of this worker."""
        return self.base_seed + self.id


class Task(NamedTuple):
    """Main process -> worker: read these samples. A new pass starts an iterable dataset anew."""

    pass_number: int
    number: int
    index: Any


class Batch(NamedTuple):
    """Worker -> main process: what a task gave."""

    pass_number: int
    number: int
    data: Any


class Ended(NamedTuple):
    """Worker -> main process, once a pass: an iterable dataset has no more samples."""

    pass_number: int


class Failure(NamedTuple):
    """What a worker's code raised, in place of the data of a batch."""

    kind: type[BaseException]
    text: str

    @classmethod
    def of(cls, error: BaseException, worker: int) -> "Failure":
        """An exception, with its traceback as text."""
        trace = "".join(traceback.format_exception(error))
        kind = type(error)
        where = f"in DataLoader worker process {worker}"
        return cls(kind, f"Caught {kind.__name__} {where}.\nOriginal {trace}")

    def exception(self) -> BaseException:
        """One of the original class, whose message is the worker's traceback.

        A RuntimeError where that class takes other arguments than a message.
        """
        text = _Plain(self.text) if issubclass(self.kind, KeyError) else self.text
        try:
            return self.kind(text)
        except Exception:
            return RuntimeError(self.text)


class _Plain(str):
    """A text that a KeyError, which shows the repr of its key, shows as lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a DataLoader's worker process: its id, seed and dataset, and how many there are.

    None in any other process.
    """
    return _info


def work(orders: Orders, tasks: Any, batches: Any) -> None:
    """The life of a worker process. `tasks` and `batches` are connections to read and to write."""
    global _info
    _settle_in()
    inbox: SimpleQueue[Task | None] = SimpleQueue()
    outbox: SimpleQueue[list[channel.Part]] = SimpleQueue()
    stopping = threading.Event()
    parent = os.getppid()
    threading.Thread(
        target=_take_in, args=(tasks.fileno(), parent, inbox, stopping), daemon=True
    ).start()
    threading.Thread(target=_send_off, args=(batches.fileno(), outbox), daemon=True).start()
    _seed(orders)
    _info = WorkerInfo(orders.id, orders.workers, orders.seed, orders.reading.dataset)
    answers = _answers(orders, iter(inbox.get, STOP))
    while not stopping.is_set() and (answer := next(answers, None)) is not None:
        outbox.put(_framed(answer, orders.id))


def _settle_in() -> None:
    """Ctrl+C reaches the whole terminal: it is for the main process, which then ends this one."""
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _seed(orders: Orders) -> None:
    """Random numbers as in PyTorch's worker of this number."""
    random.seed(orders.seed)
    manual_seed(orders.seed)
    words = [orders.id, orders.base_seed & 0xFFFFFFFF, orders.base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))


def _answers(orders: Orders, tasks: Iterator[Task]) -> Iterator[Batch | Ended]:
    """What each task gives. What the user's code raises takes the place of a batch."""
    failure = _initialised(orders)
    fetch: Fetch | None = None
    reached, has_ended = -1, False
    for task in tasks:
        if task.pass_number != reached:
            reached, has_ended, fetch = task.pass_number, False, None
        if has_ended:
            continue
        try:
            if failure is not None:
                data, failure = failure, None
            else:
                fetch = fetch or fetcher(orders.reading)
                data = fetch(task.index)
        except Exception as error:
            if isinstance(error, StopIteration) and orders.reading.is_iterable:
                has_ended = True
                yield Ended(reached)
                continue
            data = Failure.of(error, orders.id)
        yield Batch(reached, task.number, data)


def _initialised(orders: Orders) -> Failure | None:
    try:
        if orders.init is not None:
            orders.init(orders.id)
    except Exception as error:
        return Failure.of(error, orders.id)
    return None


def _framed(answer: Batch | Ended, worker: int) -> list[channel.Part]:
    """An answer, packed; what cannot be sent becomes a failure that says so."""
    try:
        return channel.packed(answer)
    except Exception as error:
        assert isinstance(answer, Batch)
        failure = Failure.of(error, worker)
        if isinstance(answer.data, Failure):  # its class cannot be named elsewhere
            failure = answer.data._replace(kind=RuntimeError)
        return channel.packed(answer._replace(data=failure))


def _take_in(
    pipe: int, parent: int, inbox: "SimpleQueue[Task | None]", stopping: threading.Event
) -> None:
    """Take in tasks until the end; then see to it that the process ends."""
    arriving = channel.frames(pipe)
    task: Task | None = STOP
    while _is_ready(pipe, parent):
        try:
            parts = next(arriving)
        except EOFError:
            break
        assert parts is not None, "this pipe blocks"
        task = channel.unpacked(parts)
        if task is STOP:
            break
        inbox.put(task)
    stopping.set()
    inbox.put(STOP)
    threading.Event().wait(GRACE_S)
    os._exit(1)  # the user's code is still reading a sample


def _is_ready(pipe: int, parent: int) -> bool:
    """Wait for a task. False when there will be none, as the parent is gone."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while not poll.poll(PARENT_CHECK_S * 1000):
        if os.getppid() != parent:
            return False
    return True


def _send_off(pipe: int, outbox: "SimpleQueue[list[channel.Part]]") -> None:
    """Write batches, as fast as the other side takes them, until it takes no more."""
    try:
        while True:
            channel.write(pipe, outbox.get(), _never_full)
    except OSError:
        return


def _never_full() -> None:
    raise AssertionError("this pipe blocks")
