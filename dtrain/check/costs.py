"""What a leaf, an update, an evaluation and the sending of a step cost on this machine."""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import zmq

from dtrain.check.advice import Machine
from dtrain.check.split import twin
from dtrain.errors import DtrainError, ProtocolError, RunError
from dtrain.gradsum import means
from dtrain.layout import Array, Layout
from dtrain.leaf import LeafComputer
from dtrain.local import evaluate
from dtrain.trainer import Trainer
from dtrain.wire import address, sockets
from dtrain.wire.messages import Credit, Envelope, Weights

REPEATS = 5
ENOUGH_S = 1.0  # of measuring one thing
EVALUATION_S = 5.0  # that all leaves of an evaluation may take
DEADLINE_S = 30.0  # for a message to arrive
ENVELOPE = Envelope("check", 0, 0, 0)


@dataclass(frozen=True)
class Size:
    """What a job is made of.

    trained, frozen   elements of parameters
    weight_bytes      that each worker gets for a step: trained parameters and buffers
    gradient_bytes    that each worker sends at least once a step, in `chunks` messages
    """

    trained: int
    frozen: int
    weight_bytes: int
    gradient_bytes: int
    chunks: int
    buffers: int


@dataclass(frozen=True)
class Update:
    """An update of all weights: its seconds, the optimizer's name and the bytes of its state, the
    first rate, and the schedule's name if there is one."""

    seconds: float
    optimizer: str
    state_bytes: int
    rate: float
    schedule: str | None


@dataclass(frozen=True)
class Sending:
    """Seconds: of adding one gradient to another; of a small message; of a whole gradient, sent
    and received in chunks through a socket of this machine."""

    add_s: float
    message_s: float
    gradient_s: float


@dataclass(frozen=True)
class Evaluation:
    """`leaves` of `of` leaves, on the first weights."""

    leaves: int
    of: int
    seconds: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Measured:
    """What a step consists of, and what advice is made from."""

    size: Size
    update: Update
    sending: Sending
    machine: Machine


def size_of(layout: Layout) -> Size:
    """From the shapes alone."""
    trained = sum(p.size for p in layout.parameters if p.trainable)
    gradient_bytes = sum(
        chunk.size * np.dtype(layout.dtype_of(chunk)).itemsize for chunk in layout.chunks
    )
    buffer_bytes = sum(
        int(np.prod(b.shape, dtype=np.int64)) * np.dtype(b.dtype).itemsize for b in layout.buffers
    )
    return Size(
        trained=trained,
        frozen=sum(p.size for p in layout.parameters) - trained,
        weight_bytes=gradient_bytes + buffer_bytes,
        gradient_bytes=gradient_bytes,
        chunks=len(layout.chunks),
        buffers=len(layout.buffers),
    )


def measure(trainer: Trainer, cores: int) -> Measured:
    """Everything but evaluations; the trainer makes a step or two meanwhile."""
    computer = trainer.computer
    layout, schedule = computer.layout, computer.schedule
    size, sending = size_of(layout), sending_of(layout)
    leaf_s, fixed_s = statistics.median(leaf_seconds(computer)), fixed_seconds(computer)
    update = update_of(trainer)
    machine = Machine(
        cores=cores,
        leaves=schedule.leaves(0),
        leaf_s=leaf_s,
        fixed_s=min(leaf_s, fixed_s),
        chunks=size.chunks,
        buffers=size.buffers > 0,
        add_s=sending.add_s,
        message_s=sending.message_s,
        gradient_s=sending.gradient_s,
        update_s=update.seconds,
    )
    return Measured(size, update, sending, machine)


def leaf_seconds(computer: LeafComputer) -> list[float]:
    """Of a few leaves."""
    leaves = computer.schedule.leaves(0)
    return _seconds([partial(computer.train, 0, k % leaves) for k in range(REPEATS)])


def fixed_seconds(computer: LeafComputer) -> float:
    """What a leaf would take without samples: a line through leaves of full and of half size,
    the quickest of a few each."""
    schedule = computer.schedule
    leaves = -(-schedule.batch_size // -(-schedule.leaf_size // 2))
    try:
        halves = twin(computer.job, computer.train_data, micro_batches=leaves)
        half_s, whole_s = min(leaf_seconds(halves)), min(leaf_seconds(computer))
    except DtrainError:  # a job for leaves of this size only
        return 0.0
    fewer = schedule.leaf_size - halves.schedule.leaf_size
    sample_s = (whole_s - half_s) / fewer if fewer else math.inf
    return min(whole_s, max(0.0, whole_s - sample_s * schedule.leaf_size))


def update_of(trainer: Trainer) -> Update:
    """One update with the gradient of one leaf, after another if the run has as many steps: the
    first one touches memory for the first time."""
    rate = trainer.rates.at(0)
    seconds = 0.0
    for _ in range(min(2, trainer.computer.schedule.steps)):
        value = trainer.computer.train(0, 0)
        began = time.perf_counter()
        for index, part in enumerate(value.parts):
            trainer.apply(index, part)
        trainer.commit()
        seconds = time.perf_counter() - began
    scheduler = trainer.rates.scheduler
    return Update(
        seconds,
        type(trainer.optimizer).__name__,
        trainer._state.bytes(),
        rate,
        None if scheduler is None else type(scheduler).__name__,
    )


def evaluation_of(computer: LeafComputer) -> Evaluation | None:
    """All leaves if that is quick, else the first; None if there are none."""
    leaves = computer.schedule.eval_leaves
    if not leaves:
        return None
    began = time.perf_counter()
    tail, done = computer.evaluate(0, 0).tail, 1
    if (time.perf_counter() - began) * leaves <= EVALUATION_S:
        began = time.perf_counter()
        tail, done = evaluate(computer, 0), leaves
    seconds = time.perf_counter() - began
    return Evaluation(done, leaves, seconds, computer.job._metrics(means(tail)))


def sending_of(layout: Layout) -> Sending:
    """Measured with the sockets, the codec and the checksums that workers use."""
    gradients = layout.allocate_gradients()
    chunks = [layout.slice(gradients, chunk) for chunk in layout.chunks]
    add_s = _median([lambda: [np.add(chunk, chunk, out=chunk) for chunk in chunks]] * REPEATS)
    with tempfile.TemporaryDirectory(prefix="dtrain-check-") as folder:
        context: zmq.Context[Any] = zmq.Context()
        where = address.parse(f"ipc://{folder}/socket")
        above, _ = sockets.bind_router(context, where)
        below = sockets.dial(context, where)
        try:
            _pass(below, above, [])  # connected now
            message_s = _median([lambda: _pass(below, above, [])] * 4 * REPEATS)
            gradient_s = _median([lambda: _pass(below, above, chunks)] * REPEATS)
        finally:
            below.close(linger=0)
            above.close(linger=0)
            context.term()
    return Sending(add_s, message_s, gradient_s)


def _pass(below: "zmq.Socket[Any]", above: "zmq.Socket[Any]", chunks: Sequence[Array]) -> None:
    """Send a message for each chunk, or one without, and receive and decode them all."""
    sent = []
    for i, chunk in enumerate(chunks):
        sent.append(sockets.send(below, ENVELOPE, Weights(0, i), [chunk.view(np.uint8).data]))
    if not chunks:
        sent.append(sockets.send(below, ENVELOPE, Credit(0, 0)))
    for _ in sent:
        if not above.poll(int(DEADLINE_S * 1000)):
            raise RunError(f"a message to this process itself did not arrive in {DEADLINE_S:g} s")
        got = sockets.receive_from(above)
        if got is None or isinstance(got[1], ProtocolError):
            raise RunError("a message to this process itself arrived damaged")


def _median(calls: Sequence[Callable[[], object]]) -> float:
    return statistics.median(_seconds(calls))


def _seconds(calls: Sequence[Callable[[], object]]) -> list[float]:
    """How long each took; the first is always made, others as time allows."""
    took: list[float] = []
    for call in calls:
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
        if sum(took) > ENOUGH_S:
            break
    return took
