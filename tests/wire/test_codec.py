"""Messages survive the trip; everything else is one ProtocolError."""

from dataclasses import fields
from typing import Any, get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain.errors import ProtocolError
from dtrain.wire.codec import INT_MAX, checksum, decode, encode
from dtrain.wire.messages import MESSAGES, Beat, Envelope, Lease, Partial

VALUES = {
    int: st.integers(0, INT_MAX),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=20),
    dict[str, str]: st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    dict[str, Any]: st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=3),
}


def samples(cls: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{f.name: VALUES[hints[f.name]] for f in fields(cls)})


ENVELOPES = samples(Envelope)
ANY = st.one_of([samples(cls) for cls in MESSAGES.values()])


@given(ENVELOPES, ANY, st.lists(st.binary(max_size=20), max_size=3))
def test_every_message_survives_the_trip(
    envelope: Envelope, message: Any, buffers: list[bytes]
) -> None:
    header = encode(envelope, message, [(len(b), checksum(b)) for b in buffers])
    packet = decode([header, *buffers])
    assert (packet.envelope, packet.message) == (envelope, message)
    assert [bytes(buffer) for buffer in packet.buffers] == buffers


def frames(**changes: Any) -> list[bytes]:
    """A valid beat, with some header fields changed; a value of ... removes one."""
    header = msgpack.unpackb(encode(Envelope("r", 1, 2, 3), Beat(4)))
    header.update(changes)
    return [msgpack.packb({k: v for k, v in header.items() if v is not ...})]


MALFORMED = {
    "nothing": [],
    "an empty header": [b""],
    "no msgpack": [b"\xc1\xc1"],
    "two values": [msgpack.packb({}) + b"\x00"],
    "a list": [msgpack.packb([1, 2])],
    "no type": frames(type=...),
    "a type that is no string": frames(type=7),
    "an unknown type": frames(type="exec"),
    "no term": frames(term=...),
    "a term that is a float": frames(term=1.0),
    "a term that is a bool": frames(term=True),
    "a negative session": frames(session=-2),
    "a huge step": frames(step=1 << 63),
    "a field of another type": frames(lease="4"),
    "a float that is no number": [
        encode(Envelope(), Lease(1, "train", 0, 1, 1, 0, float("nan"))),
    ],
    "an unknown field": frames(shell="rm"),
    "no frames": frames(frames=...),
    "frames that are no list": frames(frames=3),
    "a frame that was not declared": [*frames(), b"x"],
    "a declared frame that is missing": frames(frames=[[1, 2]]),
    "a frame of another length": [*frames(frames=[[2, checksum(b"x")]]), b"x"],
    "a frame of another checksum": [*frames(frames=[[1, checksum(b"y")]]), b"x"],
    "a pair that is none": [*frames(frames=[[1]]), b"x"],
    "an extension type": [msgpack.packb({"type": msgpack.ExtType(1, b"x")})],
    "deep nesting": [b"\x91" * 5000],
    "an integer as a key": [msgpack.packb({"type": "beat", 1: 2})],
    "a missing field": [
        msgpack.packb(
            {"type": "lease", "run": "", "term": 0, "session": 0, "step": 0, "frames": []}
        )
    ],
    "a map with values of another type": [
        encode(Envelope(), Partial("train", 0, 0, 0, 0)).replace(b"\xa4sums\x80", b"\xa4sums\x90")
    ],
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_messages_are_protocol_errors(what: str) -> None:
    with pytest.raises(ProtocolError):
        decode(MALFORMED[what])


@given(st.data())
def test_a_flipped_bit_is_a_message_or_a_protocol_error_and_nothing_else(
    data: st.DataObject,
) -> None:
    buffer = b"0123456789"
    lease = Lease(1, "train", 0, 4, 8, 3, 2.0)
    whole = [encode(Envelope("r", 1), lease, [(10, checksum(buffer))]), buffer]
    which = data.draw(st.integers(0, 1))
    position = data.draw(st.integers(0, len(whole[which]) * 8 - 1))
    bent = bytearray(whole[which])
    bent[position // 8] ^= 1 << position % 8
    whole[which] = bytes(bent)
    try:
        packet = decode(whole)
    except ProtocolError:
        return
    assert which == 0, "a flipped bit in a buffer must be seen"
    assert type(packet.message) in MESSAGES.values()


def test_an_int_passes_for_a_float_and_nothing_else_is_converted() -> None:
    packet = decode(
        [
            msgpack.packb(
                {
                    **msgpack.unpackb(encode(Envelope(), Lease(1, "train", 0, 1, 1, 0, 2.0))),
                    "deadline_s": 2,
                }
            )
        ]
    )
    assert isinstance(packet.message, Lease)
    assert type(packet.message.deadline_s) is float
