"""A worker: uplink + leaf. A pure core, and one shell with sockets, clock and compute thread."""
