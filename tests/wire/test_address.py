"""Addresses as users write them."""

import pytest

from dtrain.errors import AddressError
from dtrain.wire.address import PORT, parse, require_safe_bind


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("lab3", f"tcp://lab3:{PORT}"),
        ("lab3:80", "tcp://lab3:80"),
        ("tcp://10.0.0.1:5700", "tcp://10.0.0.1:5700"),
        ("tcp://*:5700", "tcp://0.0.0.0:5700"),
        ("[::1]:5700", "tcp://[::1]:5700"),
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:*"),
        ("ipc:///tmp/x", "ipc:///tmp/x"),
    ],
)
def test_these_are_addresses(text: str, endpoint: str) -> None:
    assert parse(text).endpoint == endpoint


@pytest.mark.parametrize(
    "text",
    ["", "lab3:", "lab3:x", "lab3:99999", "udp://a:1", "a b", "ipc://x", "ipc:///" + "x" * 200],
)
def test_these_are_none_and_the_error_shows_them(text: str) -> None:
    with pytest.raises(AddressError):
        parse(text)


@pytest.mark.parametrize("text", ["127.0.0.1:1", "localhost", "[::1]:1", "ipc:///tmp/x"])
def test_loopback_needs_no_consent(text: str) -> None:
    require_safe_bind(parse(text), insecure=False)


def test_other_addresses_need_insecure_and_the_error_says_so() -> None:
    with pytest.raises(AddressError, match="--insecure"):
        require_safe_bind(parse("0.0.0.0:5700"), insecure=False)
    require_safe_bind(parse("0.0.0.0:5700"), insecure=True)
