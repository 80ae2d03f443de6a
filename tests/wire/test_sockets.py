"""Binding and dialling: nothing is deleted, taken over or waited for in vain."""

import errno
import socket as plain
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from dtrain.cli.options import check_bind
from dtrain.errors import AddressError
from dtrain.wire import sockets
from dtrain.wire.address import Address, parse

WAIT_MS = 5000


class Sockets:
    """What a test binds and dials, open until it ends."""

    def __init__(self) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.open: list[zmq.Socket[Any]] = []

    def bind(self, where: str) -> Address:
        """Bind, and where it is bound."""
        router, endpoint = sockets.bind_router(self.context, parse(where))
        self.open.append(router)
        return parse(endpoint)

    def dial(self, where: Address) -> zmq.Socket[Any]:
        """A connection, perhaps later."""
        self.open.append(sockets.dial(self.context, where))
        return self.open[-1]


@pytest.fixture
def net() -> Iterator[Sockets]:
    net = Sockets()
    yield net
    net.context.destroy(linger=0)


# ------------------------------------------------------------------------------------------- ipc


def test_a_file_at_an_ipc_path_is_kept(net: Sockets, tmp_path: Path) -> None:
    file = tmp_path / "thesis.txt"
    file.write_text("words")
    with pytest.raises(AddressError, match=r"thesis\.txt.* not a socket .*--bind"):
        net.bind(f"ipc://{file}")
    with pytest.raises(AddressError, match="not a socket"):
        check_bind(f"ipc://{file}", insecure=False)
    assert file.read_text() == "words"


def test_a_link_at_an_ipc_path_is_kept(net: Sockets, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")
    with pytest.raises(AddressError, match="not a socket"):
        net.bind(f"ipc://{link}")
    assert link.is_symlink()


def test_an_ipc_path_that_is_served_is_not_taken_over(net: Sockets, tmp_path: Path) -> None:
    first = net.bind(f"ipc://{tmp_path}/c")
    inode = Path(first.host).stat().st_ino
    with pytest.raises(AddressError, match=r"another coordinator .*another path with --bind"):
        net.bind(first.endpoint)
    with pytest.raises(AddressError, match="another coordinator"):
        check_bind(first.endpoint, insecure=False)
    assert Path(first.host).stat().st_ino == inode


def test_a_socket_that_a_dead_coordinator_left_is_checked_and_then_bound_again(
    net: Sockets, tmp_path: Path
) -> None:
    path = tmp_path / "c"
    with plain.socket(plain.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    check_bind(f"ipc://{path}", insecure=False)
    assert path.is_socket()
    net.bind(f"ipc://{path}")


def test_the_check_of_a_free_ipc_path_leaves_nothing(tmp_path: Path) -> None:
    check_bind(f"ipc://{tmp_path}/c", insecure=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("parent", ["missing", "file"])
def test_an_ipc_path_needs_a_folder(net: Sockets, tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AddressError, match=f"there is no folder {tmp_path}/{parent}; make it"):
        net.bind(f"ipc://{tmp_path}/{parent}/c")


# ------------------------------------------------------------------------------------------- tcp


def require_ipv6() -> None:
    """Skip where ::1 cannot be bound."""
    try:
        with plain.socket(plain.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error.strerror}")


def test_a_dealer_reaches_a_router_over_ipv6(net: Sockets) -> None:
    require_ipv6()
    where = net.bind("tcp://[::1]:0")
    assert where.host == "::1"
    net.dial(where).send(b"hello", flags=zmq.NOBLOCK)
    [router, _] = net.open
    assert router.poll(WAIT_MS)
    assert router.recv_multipart()[1:] == [b"hello"]


def test_a_port_in_use_asks_for_another_coordinator(net: Sockets) -> None:
    first = net.bind("tcp://127.0.0.1:0")
    with pytest.raises(AddressError, match=r"in use; is another coordinator .*another port"):
        net.bind(first.endpoint)


@pytest.mark.parametrize(
    "where",
    [
        "tcp://192.0.2.1:0",  # RFC 5737: of documents only
        "tcp://nosuchhost.invalid:0",  # RFC 2606
    ],
)
def test_an_address_of_another_machine_is_said_to_be_one(net: Sockets, where: str) -> None:
    with pytest.raises(AddressError, match="is not an address of this machine; bind") as raised:
        net.bind(where)
    assert "coordinator" not in str(raised.value)


def test_other_errors_say_what_they_are() -> None:
    why = sockets._why(zmq.ZMQError(errno.EACCES), parse("tcp://127.0.0.1:80"))
    assert why == "Permission denied; choose another address with --bind"


# ----------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("host", ["nosuchhost.invalid", "a..b"])
def test_a_host_that_cannot_be_found_is_said_at_once(host: str) -> None:
    with pytest.raises(AddressError, match=rf"cannot find the host '{host}' \(.+\); check"):
        sockets.require_resolvable(parse(f"tcp://{host}:5700"))


@pytest.mark.parametrize("where", ["localhost", "127.0.0.1:1", "[::1]:1", "ipc:///tmp/x"])
def test_these_hosts_can_be_found(where: str) -> None:
    sockets.require_resolvable(parse(where))
