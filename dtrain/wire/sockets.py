"""ZeroMQ sockets as dtrain uses them: one ROUTER above, DEALERs below. Sends never block."""

import errno
import secrets
import socket as plain
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zmq

from dtrain.errors import AddressError, ProtocolError
from dtrain.wire.address import Address
from dtrain.wire.codec import Buffer, Packet, checksum, decode, encode
from dtrain.wire.messages import Envelope, Message

FRAME_BYTES_MAX = 256 << 20
_BACKLOG = 1024
_NOT_OURS = (errno.EADDRNOTAVAIL, errno.ENODEV)  # of an address, and of a name


def bind_router(context: zmq.Context[Any], address: Address) -> tuple[zmq.Socket[Any], str]:
    """A bound ROUTER and the endpoint that it got. Raises AddressError when it cannot be had."""
    if address.transport == "ipc":
        require_free_path(address)
    socket: zmq.Socket[Any] = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a send to nobody is an error, not a silent drop
    socket.setsockopt(zmq.BACKLOG, _BACKLOG)
    _common(socket, address)
    try:
        socket.bind(address.endpoint)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        raise AddressError(f"cannot bind {address.endpoint}: {_why(error, address)}") from None
    return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)


def _why(error: zmq.ZMQError, address: Address) -> str:
    words = zmq.strerror(error.errno or 0)
    if error.errno == errno.EADDRINUSE:
        return f"{words}; is another coordinator running there? choose another port with --bind"
    if error.errno in _NOT_OURS:
        return (
            f"{address.host!r} is not an address of this machine; "
            "bind one that it has, such as 127.0.0.1"
        )
    return f"{words}; choose another address with --bind"


def require_free_path(address: Address) -> None:
    """Raises AddressError unless an ipc path is free, or a socket that nobody serves any more.

    ZeroMQ deletes whatever it finds at the path that it binds, so this is asked before.
    """
    path = Path(address.host)
    try:
        if not path.parent.is_dir():
            raise AddressError(
                f"cannot bind {address.endpoint}: there is no folder {path.parent}; "
                "make it, or choose another path with --bind"
            )
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise AddressError(
            f"cannot bind {address.endpoint}: {error.strerror}; choose another path with --bind"
        ) from None
    if not stat.S_ISSOCK(mode):
        raise AddressError(
            f"cannot bind {address.endpoint}: something that is not a socket is there, and it "
            "would be lost; move it, or choose another path with --bind"
        )
    if _is_served(path):
        raise AddressError(
            f"cannot bind {address.endpoint}: a process listens there; "
            "is another coordinator running there? choose another path with --bind"
        )


def _is_served(path: Path) -> bool:
    with plain.socket(plain.AF_UNIX) as probe:
        probe.setblocking(False)  # a full backlog is an answer too
        # any other error comes of a socket that somebody has, if not one that we may use
        return probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT)


def require_resolvable(address: Address) -> None:
    """Raises AddressError when the host's name cannot be found: ZeroMQ would try for ever."""
    if address.transport != "tcp":
        return
    family = plain.AF_INET6 if address.is_ipv6 else plain.AF_INET  # as ZeroMQ will ask
    try:
        plain.getaddrinfo(address.host, None, family, plain.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a part of it is too long or empty
        why = error.strerror if isinstance(error, OSError) else error
        raise AddressError(
            f"cannot find the host {address.host!r} ({why}); check its name"
        ) from None


def dial(context: zmq.Context[Any], address: Address) -> zmq.Socket[Any]:
    """A DEALER with a random identity: an identity is never used twice."""
    socket: zmq.Socket[Any] = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, b"d" + secrets.token_bytes(12))
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    _common(socket, address)
    try:
        socket.connect(address.endpoint)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        raise AddressError(f"cannot connect to {address.endpoint}: {error.strerror}") from None
    return socket


def _common(socket: zmq.Socket[Any], address: Address) -> None:
    socket.setsockopt(zmq.IPV6, address.is_ipv6)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 0)  # credit bounds what is on its way; a send must not block
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, FRAME_BYTES_MAX)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10000)


def send(
    socket: zmq.Socket[Any],
    envelope: Envelope,
    message: Message,
    buffers: Sequence[Buffer] = (),
    to: bytes | None = None,
) -> zmq.MessageTracker | None:
    """Send without blocking and without copying the buffers.

    The buffers must not change until the tracker that is returned says done (None: nothing is
    referred to any more). Raises zmq.ZMQError (EHOSTUNREACH) when `to` is gone.
    """
    header = encode(envelope, message, [(_nbytes(b), checksum(b)) for b in buffers])
    frames = [header, *buffers] if to is None else [to, header, *buffers]
    if not buffers:
        socket.send_multipart(frames, flags=zmq.NOBLOCK)
        return None
    tracker = socket.send_multipart(frames, flags=zmq.NOBLOCK, copy=False, track=True)
    return tracker if isinstance(tracker, zmq.MessageTracker) else None


def receive(socket: zmq.Socket[Any]) -> Packet | ProtocolError | None:
    """The next message of a DEALER, or why it cannot be read; None when there is none now."""
    try:
        frames = socket.recv_multipart(flags=zmq.NOBLOCK, copy=False)
    except zmq.Again:
        return None
    return read(frames)


def receive_from(socket: zmq.Socket[Any]) -> tuple[bytes, Packet | ProtocolError] | None:
    """The same for a ROUTER, with the sender's identity."""
    try:
        identity, *frames = socket.recv_multipart(flags=zmq.NOBLOCK, copy=False)
    except zmq.Again:
        return None
    return identity.bytes, read(frames)


def read(frames: Sequence[zmq.Frame]) -> Packet | ProtocolError:
    """Decode; a malformed message is returned as the error that says so."""
    try:
        return decode([frame.buffer for frame in frames])
    except ProtocolError as error:
        return error


def _nbytes(buffer: Buffer) -> int:
    return buffer.nbytes if isinstance(buffer, memoryview) else len(buffer)
