"""Messages, their bytes, addresses and sockets. docs/protocol.md is the protocol in words."""
