"""Addresses as users write them, and the endpoints that ZeroMQ takes. Pure."""

import ipaddress
import re
from dataclasses import dataclass

from dtrain.errors import AddressError

PORT = 5700
_IPC_BYTES_MAX = 107  # sun_path, less its terminating zero


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address: a TCP host and port, or a path for ipc."""

    transport: str  # "tcp" or "ipc"
    host: str  # or the path
    port: int = 0

    @property
    def endpoint(self) -> str:
        """As ZeroMQ takes it."""
        if self.transport == "ipc":
            return f"ipc://{self.host}"
        host = f"[{self.host}]" if self.is_ipv6 else self.host
        return f"tcp://{host}:{'*' if self.port == 0 else self.port}"

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is a literal IPv6 address."""
        return self.transport == "tcp" and ":" in self.host

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        if self.transport == "ipc" or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse(text: str) -> Address:
    """`HOST`, `HOST:PORT`, `[v6]:PORT`, `tcp://…` or `ipc://PATH`.

    Raises AddressError with the accepted forms.
    """
    if text.startswith("ipc://"):
        return _ipc(text.removeprefix("ipc://"))
    match = re.fullmatch(
        r"(?:tcp://)?(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._*-]+))(?::(?P<port>\d{1,5}|\*))?",
        text,
    )
    if not match:
        raise AddressError(
            f"cannot read the address {text!r}; "
            f"write HOST, HOST:PORT (default {PORT}), tcp://HOST:PORT or ipc://PATH"
        )
    port = match["port"]
    number = PORT if port is None else 0 if port == "*" else int(port)
    if number > 65535:
        raise AddressError(f"{text!r}: a port is at most 65535, not {number}")
    host = match["v6"] or match["host"]
    return Address("tcp", "0.0.0.0" if host == "*" else host, number)


def _ipc(path: str) -> Address:
    if not path.startswith("/"):
        raise AddressError(f"ipc://{path}: the path must be absolute, as in ipc:///tmp/d/socket")
    if len(path.encode()) > _IPC_BYTES_MAX:
        raise AddressError(f"ipc://{path}: the path is longer than {_IPC_BYTES_MAX} bytes")
    return Address("ipc", path)


def require_safe_bind(address: Address, insecure: bool) -> None:
    """Raises AddressError for an address that others can reach, unless `--insecure` says so."""
    if not address.is_loopback and not insecure:
        raise AddressError(
            f"{address.endpoint} can be reached from other hosts, and anyone there could join this "
            "run; on a network that you trust add --insecure, else bind tcp://127.0.0.1:"
            f"{address.port}"
        )
