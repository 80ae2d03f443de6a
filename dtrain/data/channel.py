"""Messages through a pipe between two processes of this program.

A frame is the number of its parts (uint32), their sizes (uint64 each, little-endian), the parts.
The first part is a pickle; the others are the larger arrays that it refers to, which are so never
copied into it, and arrive where they stay. Both ends are our own processes on this host: nothing
of this ever crosses a network.
"""

import os
import pickle
import struct
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeAlias

Part: TypeAlias = Any  # bytes, or a memoryview of them: typing has no common name yet
Parts: TypeAlias = list[bytearray]

BESIDE_BYTES_MIN = 4096  # smaller arrays are cheaper within the pickle


def packed(message: Any) -> list[Part]:
    """A message as a frame. Raises what pickle raises for what cannot be sent."""
    beside: list[memoryview] = []

    def keep_within(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < BESIDE_BYTES_MIN:
            return True
        beside.append(raw)
        return False

    head = pickle.dumps(message, protocol=5, buffer_callback=keep_within)
    parts: list[Part] = [head, *beside]
    sizes = [memoryview(part).nbytes for part in parts]
    return [struct.pack(f"<I{len(parts)}Q", len(parts), *sizes), *parts]


def unpacked(parts: Parts) -> Any:
    """The message of a frame's parts."""
    head, *beside = parts
    return pickle.loads(head, buffers=beside)


def write(pipe: int, frame: list[Part], when_full: Callable[[], None]) -> None:
    """Write all of a frame.

    A pipe that does not block calls `when_full` where it would have; that may wait, or raise.
    Raises BrokenPipeError when nobody reads any more.
    """
    for part in frame:
        view = memoryview(part)
        while view:
            try:
                view = view[os.write(pipe, view) :]
            except BlockingIOError:
                when_full()


def frames(pipe: int) -> Iterator[Parts | None]:
    """The parts of each frame as it arrives; None where a pipe that does not block has no more.

    Raises EOFError at the end of the pipe.
    """
    while True:
        [count] = struct.unpack("<I", (yield from _read(pipe, 4)))
        sizes = struct.unpack(f"<{count}Q", (yield from _read(pipe, 8 * count)))
        parts = []
        for size in sizes:
            part = yield from _read(pipe, size)
            parts.append(part)
        yield parts


def _read(pipe: int, size: int) -> Generator[None, None, bytearray]:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        try:
            n = os.readv(pipe, [view])
        except BlockingIOError:
            yield None
            continue
        if n == 0:
            raise EOFError
        view = view[n:]
    return data
