"""Events of a run as a person reads them: one sentence each. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

_SENTENCES = {
    "join": "{worker} joined ({host}, pid {pid})",
    "lost": "{worker} is lost: {reason}; its leaves go to others",
    "leave": "{worker} left: {reason}",
    "refused": "{worker} was refused: {reason}",
    "overdue": "{worker} overran its lease of leaves {lo} to {hi}; they go to others",
    "failed": "{worker} failed in {where}",
    "garbled": "{peer} sent something that is no message: {reason} ({so_far} so far)",
    "waiting": "waiting for {waits_for} ({seconds} s so far)",
    "skipped": "step {step} has weight 0: its weights are those of the step before",
}


def sentence(event: str, fields: Mapping[str, Any]) -> str | None:
    """The event in words; None for one that has no sentence."""
    form = _SENTENCES.get(event)
    return None if form is None else form.format_map(defaultdict(lambda: "?", fields))
