"""Messages to frames and back. Pure: bytes in, records out; anything odd is a ProtocolError.

Frame 0 is a msgpack map: {"type": tag, "run", "term", "session", "step", "frames": [[length,
xxh3_64], ...], and the message's fields}. Raw buffers follow, one a frame, never inside msgpack.
"""

import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgpack
import xxhash

from dtrain.errors import ProtocolError
from dtrain.wire.messages import MESSAGES, TAGS, Envelope, Message

HEADER_BYTES_MAX = 8 << 20
FRAMES_MAX = 4096
INT_MAX = 1 << 62
_ENVELOPE = {"run": str, "term": int, "session": int, "step": int}
Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Packet:
    """A decoded message with its raw buffers, whose checksums have been compared."""

    envelope: Envelope
    message: Message
    buffers: tuple[memoryview, ...] = ()


def checksum(buffer: Buffer) -> int:
    """xxh3_64 of a buffer."""
    return xxhash.xxh3_64_intdigest(buffer)


def encode(envelope: Envelope, message: Message, sums: Sequence[tuple[int, int]] = ()) -> bytes:
    """The header frame. `sums` are (length in bytes, checksum) of the frames that will follow."""
    header: dict[str, Any] = {
        "type": TAGS[type(message)],
        "run": envelope.run,
        "term": envelope.term,
        "session": envelope.session,
        "step": envelope.step,
        "frames": [list(pair) for pair in sums],
    }
    cls: type = type(message)
    for name in _schema(cls):
        header[name] = getattr(message, name)
    packed: bytes = msgpack.packb(header, use_bin_type=True)
    return packed


def decode(frames: Sequence[Buffer]) -> Packet:
    """Check and take apart what a peer sent. Raises ProtocolError, and nothing else."""
    if not frames:
        raise ProtocolError("an empty message")
    header = _unpack(frames[0])
    cls = MESSAGES.get(header.pop("type", None) or "")
    if cls is None:
        raise ProtocolError("an unknown message type")
    envelope = Envelope(
        **{k: _checked(k, kind, header.pop(k, None)) for k, kind in _ENVELOPE.items()}
    )
    buffers = _buffers(header.pop("frames", None), frames[1:])
    return Packet(envelope, _record(cls, header), buffers)


def _unpack(frame: Buffer) -> dict[str, Any]:
    if len(frame) > HEADER_BYTES_MAX:
        raise ProtocolError(f"a header of {len(frame)} bytes; at most {HEADER_BYTES_MAX} are taken")
    try:
        header = msgpack.unpackb(frame, strict_map_key=False, ext_hook=_no_extensions)
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise ProtocolError(f"a header that is no msgpack map: {error}") from None
    if not isinstance(header, dict) or not isinstance(header.get("type", ""), str):
        raise ProtocolError("a header that is no msgpack map with a type")
    return header


def _no_extensions(code: int, data: bytes) -> Any:
    raise ValueError(f"msgpack extension type {code}")


def _record(cls: type, header: dict[str, Any]) -> Any:
    schema = _schema(cls)
    required = {f.name for f in fields(cls) if f.default is f.default_factory is MISSING}
    unknown = [str(key) for key in header if key not in schema]
    if unknown:
        raise ProtocolError(f"{cls.__name__}: unknown field {unknown[0]!r}")
    for name in required - header.keys():
        raise ProtocolError(f"{cls.__name__}: field {name!r} is missing")
    return cls(**{name: _checked(name, schema[name], value) for name, value in header.items()})


@cache
def _schema(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls)}


def _checked(name: str, kind: Any, value: Any) -> Any:
    """The value, if it is of the declared kind. bool is no int here; int passes for float."""
    if kind is float and type(value) is int:
        value = float(value)
    plain = get_origin(kind) or kind
    if type(value) is not plain:
        raise ProtocolError(f"field {name!r} is {type(value).__name__}, not {plain.__name__}")
    if plain is int and not -1 <= value <= INT_MAX:
        raise ProtocolError(f"field {name!r} is out of range")
    if plain is float and not math.isfinite(value):
        raise ProtocolError(f"field {name!r} is not finite")
    if plain is dict:
        _check_map(name, get_args(kind), value)
    return value


def _check_map(name: str, kinds: tuple[Any, ...], value: dict[Any, Any]) -> None:
    for key, item in value.items():
        if type(key) is not str:
            raise ProtocolError(f"field {name!r} has a key that is no string")
        if kinds[1] is not Any:
            _checked(f"{name}.{key}", kinds[1], item)


def _buffers(declared: Any, frames: Sequence[Buffer]) -> tuple[memoryview, ...]:
    if not isinstance(declared, list) or len(declared) != len(frames) or len(frames) > FRAMES_MAX:
        raise ProtocolError("the number of frames is not the declared one")
    views = tuple(
        memoryview(frame).cast("B") if len(frame) else memoryview(b"") for frame in frames
    )
    for pair, view in zip(declared, views, strict=True):
        if not (isinstance(pair, list) and len(pair) == 2 and pair[0] == view.nbytes):
            raise ProtocolError("a frame is not as long as declared")
        if pair[1] != checksum(view):
            raise ProtocolError("a frame's checksum is wrong")
    return views
