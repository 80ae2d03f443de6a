"""Every deadline of the coordinator's waits. docs/protocol.md has the table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds."""

    beat_s: float = 1.0
    silence_s: float = 3.0  # of a worker; it is lost then
    redial_s: float = 10.0  # of the coordinator; workers dial again then
    lease_s: float = 2.0  # the least time that a lease has
    lease_factor: float = 3.0  # and as a multiple of what its leaves should take
    resend_s: float = 5.0  # chunks of weights that nobody acknowledges
    notice_s: float = 2.0  # without a worker before saying so,
    repeat_s: float = 60.0  # and again
    stop_s: float = 5.0  # of a signal, for a step that the optimizer has begun with
    alone_s: float = 24 * 3600.0  # without a worker before giving up
