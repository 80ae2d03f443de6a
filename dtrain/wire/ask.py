"""Ask a running coordinator something: the client side of `dtrain status` and `dtrain stop`."""

import json
from pathlib import Path
from typing import Any

import zmq

from dtrain.errors import AddressError
from dtrain.wire import address, sockets
from dtrain.wire.codec import Packet
from dtrain.wire.messages import Answer, Ask, Envelope


def ask(target: str | Path, what: str, timeout_s: float = 5.0) -> dict[str, Any]:
    """The coordinator's answer to "status" or "stop".

    `target` is a run directory, or an address as `dtrain worker --connect` takes it. Raises
    AddressError when nobody answers in time.
    """
    where = address_of(target)
    sockets.require_resolvable(where)
    context: zmq.Context[Any] = zmq.Context()
    connection = sockets.dial(context, where)
    try:
        sockets.send(connection, Envelope(), Ask(what))
        if connection.poll(int(timeout_s * 1000)):
            packet = sockets.receive(connection)
            if isinstance(packet, Packet) and isinstance(packet.message, Answer):
                return packet.message.status
    finally:
        connection.close(linger=0)
        context.term()
    raise AddressError(
        f"nobody answered at {where.endpoint} within {timeout_s:g} s; "
        "is the run still going? a finished run is shown by its run directory"
    )


def address_of(target: str | Path) -> address.Address:
    """The address that a run directory's coordinator listens at, or the address itself."""
    path = Path(target)
    if not path.is_dir():
        if "/" in str(target) and "://" not in str(target):
            raise AddressError(f"there is no run directory {target}")
        return address.parse(str(target))
    try:
        endpoint = json.loads((path / "run.json").read_text()).get("address")
    except (OSError, ValueError) as error:
        raise AddressError(f"{path}: no readable run.json in it ({error})") from None
    if not endpoint:
        raise AddressError(
            f"{path}: this run is made in one process, which cannot be asked; metrics.jsonl says "
            "where it is, and Ctrl+C or kill -TERM (pid in run.json) stops it after its step"
        )
    return address.parse(endpoint)
