import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dtrain.autograd import wrap
from dtrain.data import channel


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def through(pipe: tuple[int, int], message: Any) -> Any:
    """Send a message of any size through a pipe that is read whenever it is full."""
    source, sink = pipe
    arriving = channel.frames(source)
    found: list[Any] = []

    def read() -> None:
        parts = next(arriving)
        if parts is not None:
            found.append(channel.unpacked(parts))

    channel.write(sink, channel.packed(message), when_full=read)
    while not found:
        read()
    return found[0]


@pytest.mark.parametrize("message", [None, (1, "a", [2.5]), b"x" * 200_000, {"a": np.float32(1)}])
def test_a_message_arrives_as_it_was(pipe: tuple[int, int], message: Any) -> None:
    assert through(pipe, message) == message


@pytest.mark.parametrize("shape", [(), (0,), (3,), (300, 200)])
def test_an_array_arrives_as_it_was_and_can_be_written_to(
    pipe: tuple[int, int], shape: tuple[int, ...]
) -> None:
    array = np.arange(int(np.prod(shape)), dtype="float32").reshape(shape)
    [tensor] = through(pipe, [wrap(array)])
    assert (tensor._array.dtype, tensor._array.shape) == (array.dtype, shape)
    assert tensor._array.tobytes() == array.tobytes()
    tensor._array[...] = 1


def test_large_arrays_are_not_copied_into_the_pickle() -> None:
    array = np.zeros(100_000)
    _, head, beside = channel.packed([array])
    assert len(head) < 1000
    assert np.shares_memory(np.frombuffer(beside), array)


def test_messages_come_in_order_and_none_says_that_there_are_no_more(
    pipe: tuple[int, int],
) -> None:
    source, sink = pipe
    for number in range(3):
        channel.write(sink, channel.packed(number), lambda: None)
    arriving = channel.frames(source)
    found = [next(arriving) for _ in range(4)]
    assert [parts and channel.unpacked(parts) for parts in found] == [0, 1, 2, None]


def test_half_a_message_waits_for_the_rest(pipe: tuple[int, int]) -> None:
    source, sink = pipe
    frame = b"".join(channel.packed("text"))
    arriving = channel.frames(source)
    for byte in frame[:-1]:
        os.write(sink, bytes([byte]))
        assert next(arriving) is None
    os.write(sink, frame[-1:])
    parts = next(arriving)
    assert parts is not None
    assert channel.unpacked(parts) == "text"


@pytest.mark.parametrize("sent", [b"", b"\1\0\0\0"])
def test_the_end_of_a_pipe_is_an_error_also_within_a_message(
    pipe: tuple[int, int], sent: bytes
) -> None:
    source, sink = pipe
    os.write(sink, sent)
    os.close(sink)
    with pytest.raises(EOFError):
        next(channel.frames(source))


def test_writing_where_nobody_reads_is_an_error(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    with pytest.raises(BrokenPipeError):
        channel.write(pipe[1], channel.packed(1), lambda: None)
