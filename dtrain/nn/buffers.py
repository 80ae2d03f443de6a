"""Recording what a leaf does to a model's buffers, as updates (see `dtrain.nn.updates`)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dtrain.errors import JobError
from dtrain.nn.updates import (
    RULES,
    Affine,
    Array,
    Count,
    Last,
    Mean,
    Update,
    compose,
    unpack,
)

if TYPE_CHECKING:
    from dtrain.nn.module import Module

__all__ = [
    "RULES",
    "Affine",
    "Count",
    "Last",
    "Mean",
    "Recording",
    "Update",
    "active",
    "compose",
    "recording",
    "unpack",
]


@dataclass(slots=True)
class Recording:
    """What happened to a model's buffers, by full name."""

    updates: dict[str, Update] = field(default_factory=dict)
    names: dict[tuple[int, str], str] = field(default_factory=dict)  # of (id of module, buffer)

    def record(self, module: "Module", name: str, update: Update) -> None:
        """Put an update after those of the same buffer. Modules outside the model do not count."""
        full = self.names.get((id(module), name))
        if full is not None:
            before = self.updates.get(full)
            self.updates[full] = update if before is None else compose(before, update)


@dataclass(frozen=True, slots=True)
class _Held:
    """A buffer as it was before: its owner, its tensor, the array behind that, and its place in a
    graph: in-place ops on what is recorded put a buffer into the leaf's."""

    module: "Module"
    name: str
    tensor: Any
    array: Array
    rule: str | None
    place: tuple[Any, bool]


_ACTIVE = threading.local()


def active() -> Recording | None:
    """The recording that this thread is in."""
    recording: Recording | None = getattr(_ACTIVE, "recording", None)
    return recording


@contextmanager
def recording(model: "Module") -> Iterator[Recording]:
    """Inside, the model works on copies of its buffers; afterwards it has the old ones back, and
    `updates` says what was done to them.

    "affine" and "mean" come from `Module.update_buffer`, "count" and "last" also from comparing.
    Raises JobError for a buffer that changed and has no rule, or not by its rule.
    """
    made, held = Recording(), _hold(model)
    made.names = {(id(each.module), each.name): full for full, each in held.items()}
    before, _ACTIVE.recording = active(), made
    try:
        yield made
        for full, each in held.items():
            if full not in made.updates:
                update = _compare(full, each)
                if update is not None:
                    made.updates[full] = update
    finally:
        _ACTIVE.recording = before
        for each in held.values():
            each.tensor._array = each.array
            each.tensor._node, each.tensor._requires_grad = each.place
            each.module._buffers[each.name] = each.tensor


def _hold(model: "Module") -> dict[str, _Held]:
    held = {}
    for full, module, name, tensor in model._owned_buffers():
        rule, place = module._buffer_rules.get(name), (tensor._node, tensor._requires_grad)
        held[full] = _Held(module, name, tensor, tensor._array, rule, place)
        tensor._array = tensor._array.copy()
    return held


def _compare(full: str, held: _Held) -> Update | None:
    now = held.module._buffers.get(held.name)
    array = None if now is None else now._array
    if array is None or array.shape != held.array.shape or array.dtype != held.array.dtype:
        raise JobError(f"buffer {full} changed its shape or dtype while a leaf was computed")
    if array.tobytes() == held.array.tobytes():
        return None
    match held.rule:
        case "count":
            return Count.of(array - held.array)
        case "last":
            return Last.of(array)
        case None:
            raise JobError(
                f"buffer {full} changed while a leaf was computed, but has no update rule; "
                f'register it with rule="last", "count", "affine" or "mean"'
            )
    raise JobError(
        f'buffer {full} has the rule "{held.rule}" but was written directly; '
        f"change it with update_buffer({held.name!r}, ...)"
    )
