"""Zero-copy sends and the buffers that they refer to."""

from pathlib import Path
from typing import Any

import numpy as np
import zmq

from coordinator.events import Send
from coordinator.outbox import Outbox
from dtrain.wire import sockets
from dtrain.wire.address import parse
from dtrain.wire.codec import Packet
from dtrain.wire.messages import Beat, Envelope, Weights
from dtrain.wire.pool import FramePool

DEADLINE_MS = 20_000


class Pending:
    """A tracker that is done when the test says so."""

    done = False


def test_a_frame_is_not_filled_again_while_a_send_reads_it() -> None:
    pool, tracker = FramePool(), Pending()
    frame = pool.fill(np.arange(4))
    frame.trackers.append(tracker)
    pool.drop(frame)
    assert pool.fill(np.zeros(4, np.int64)).data is not frame.data
    assert frame.data.view(np.int64).tolist() == [0, 1, 2, 3]


def test_a_frame_is_used_again_once_every_send_is_done() -> None:
    pool, tracker = FramePool(), Pending()
    frame = pool.fill(np.arange(4))
    frame.trackers.append(tracker)
    pool.drop(frame)
    tracker.done = True
    assert pool.fill(np.zeros(4, np.int64)).data is frame.data


def next_weights(worker: zmq.Socket[Any]) -> tuple[int, int, np.ndarray]:
    """The version, the chunk and the values of the next chunk; fails after the deadline."""
    assert worker.poll(DEADLINE_MS), "nothing arrived"
    packet = sockets.receive(worker)
    assert isinstance(packet, Packet)
    assert isinstance(packet.message, Weights)
    values = np.frombuffer(packet.buffers[0], np.float64)
    return packet.message.version, packet.message.chunk, values


def test_a_zero_copy_send_of_a_buffer_that_is_about_to_be_rewritten_carries_its_own_step(
    tmp_path: Path,
) -> None:
    """The peer reads nothing while the trainer rewrites the very buffer, eight versions long."""
    live = np.zeros((2, 1 << 20))  # two versions of a chunk of 8 MiB: more than a socket buffers
    context: zmq.Context[Any] = zmq.Context()
    router, endpoint = sockets.bind_router(context, parse(f"ipc://{tmp_path}/c"))
    worker = sockets.dial(context, parse(endpoint))
    try:
        sockets.send(worker, Envelope(), Beat())
        assert router.poll(DEADLINE_MS)
        received = sockets.receive_from(router)
        assert received is not None
        outbox = Outbox(router, lambda version, chunk: [live[version % 2]])
        for version in range(8):
            live[version % 2] = version
            assert outbox.send(Send(received[0], Envelope("r", 1, 1, version), Weights(version, 0)))
            outbox.forget_before(version)
        for version in range(8):
            got, _, values = next_weights(worker)
            assert got == version
            assert (values == version).all()
    finally:
        router.close(linger=0)
        worker.close(linger=0)
        context.term()


def test_a_send_to_a_peer_that_is_gone_says_so_instead_of_vanishing(tmp_path: Path) -> None:
    context: zmq.Context[Any] = zmq.Context()
    router, _ = sockets.bind_router(context, parse(f"ipc://{tmp_path}/c"))
    try:
        outbox = Outbox(router, lambda version, chunk: [])
        assert not outbox.send(Send(b"nobody", Envelope(), Beat()))
    finally:
        router.close(linger=0)
        context.term()
