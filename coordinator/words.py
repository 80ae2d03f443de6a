"""Events of a run as a person reads them: one sentence each. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from dtrain.wire.messages import EVAL, Slow

_SENTENCES = {
    "join": "{worker} joined ({host}, pid {pid})",
    "lost": "{worker} is lost: {reason}; its leaves go to others",
    "leave": "{worker} left: {reason}",
    "refused": "{worker} was refused: {reason}",
    "overdue": "{worker} overran its lease of leaves {lo} to {hi}; they go to others",
    "slow": "{what} ({where}) {have} been read for {seconds:.0f} s on {worker}",
    "failed": "{worker} failed in {where}",
    "garbled": "{peer} sent something that is no message: {reason} ({so_far} so far)",
    "waiting": "waiting for {waits_for} ({seconds} s so far)",
    "drift": "{worker} computes with other arithmetic: the digest may be another one (allowed)",
}


def sentence(event: str, fields: Mapping[str, Any]) -> str | None:
    """The event in words; None for one that has no sentence."""
    form = _SENTENCES.get(event)
    return None if form is None else form.format_map(defaultdict(lambda: "?", fields))


def place(phase: str, step: int, leaf: int) -> str:
    """Which leaf it is."""
    kind = "evaluation after step" if phase == EVAL else "step"
    return f"{kind} {step}, leaf {leaf}"


def slow_sample(worker: str, step: int, slow: Slow) -> dict[str, Any]:
    """The fields of a "slow" event."""
    is_one = slow.sample >= 0
    return {
        "worker": worker,
        "where": place(slow.phase, step, slow.leaf),
        "what": f"sample {slow.sample}" if is_one else "samples, many at once,",
        "have": "has" if is_one else "have",
        "seconds": slow.seconds,
    }
