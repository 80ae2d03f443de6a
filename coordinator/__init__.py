"""The coordinator: a pure core, and one shell with its sockets and clock."""
