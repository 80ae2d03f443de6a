"""Sends messages through the ROUTER; weights from copies that stay unchanged while they travel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from coordinator.events import Send
from dtrain.wire import sockets
from dtrain.wire.messages import Weights
from dtrain.wire.pool import Frame, FramePool

Source = Callable[[int, int], list[NDArray[Any]]]  # (version, chunk) -> the arrays that it is


class Outbox:
    """One copy of a chunk serves all peers; it is dropped when its version is overtaken."""

    def __init__(self, router: zmq.Socket[Any], source: Source) -> None:
        self._router, self._source = router, source
        self._pool = FramePool()
        self._copies: dict[tuple[int, int], list[Frame]] = {}

    def send(self, action: Send) -> bool:
        """Without blocking; False when the connection is gone."""
        try:
            if isinstance(action.message, Weights):
                self._send_weights(action, action.message)
            else:
                sockets.send(self._router, action.envelope, action.message, to=action.to)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            return False
        return True

    def _send_weights(self, action: Send, weights: Weights) -> None:
        frames = self._frames(weights.version, weights.chunk)
        buffers = [frame.data.data for frame in frames]
        tracker = sockets.send(self._router, action.envelope, weights, buffers, to=action.to)
        if tracker is not None:
            for frame in frames:
                frame.trackers.append(tracker)

    def _frames(self, version: int, chunk: int) -> list[Frame]:
        key = (version, chunk)
        if key not in self._copies:
            arrays = self._source(version, chunk)
            self._copies[key] = [self._pool.fill(np.asarray(array)) for array in arrays]
        return self._copies[key]

    def forget_before(self, version: int) -> None:
        """Copies of older versions will not be sent any more."""
        for key in [key for key in self._copies if key[0] < version]:
            for frame in self._copies.pop(key):
                self._pool.drop(frame)
