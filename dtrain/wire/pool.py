"""Buffers for zero-copy sends that are not rewritten while ZeroMQ still reads them.

A live buffer must not be sent without a copy: libzmq refers to it until the peer has drained it,
and the weights of another step were seen to arrive in its place. So a chunk is copied once, into
a buffer of this pool, sent to every peer from there, and the buffer comes back only when every
tracker over it is done.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class Tracker(Protocol):
    """What ZeroMQ returns for a tracked send."""

    @property
    def done(self) -> bool:
        """Whether nothing refers to the buffers any more."""
        ...


@dataclass(slots=True)
class Frame:
    """A filled buffer, and the sends that may still read it."""

    data: Bytes
    trackers: list[Tracker] = field(default_factory=list)

    @property
    def is_free(self) -> bool:
        """Whether it may be filled again."""
        self.trackers = [tracker for tracker in self.trackers if not tracker.done]
        return not self.trackers


class FramePool:
    """Frames by size; those that are dropped are used again once nothing reads them."""

    def __init__(self) -> None:
        self._dropped: defaultdict[int, list[Frame]] = defaultdict(list)

    def fill(self, source: NDArray[np.generic]) -> Frame:
        """A frame with a copy of an array's bytes."""
        flat = np.ascontiguousarray(source).reshape(-1).view(np.uint8)
        frame = self._free(flat.nbytes)
        np.copyto(frame.data, flat)
        return frame

    def drop(self, frame: Frame) -> None:
        """Nothing more will be sent from it."""
        self._dropped[frame.data.nbytes].append(frame)

    def _free(self, nbytes: int) -> Frame:
        dropped = self._dropped[nbytes]
        for i, frame in enumerate(dropped):
            if frame.is_free:
                return dropped.pop(i)
        return Frame(np.empty(nbytes, np.uint8))
