"""Who may touch what belongs to a leaf while the samples of the next one are read beside it.

Two threads then run the user's code: one computes a leaf, another reads samples ahead. dtrain's
default generator and `rng()` of the leaf, `self.step`, `self.epoch` and `self.log` belong to the
leaf that is computed, so only its thread may use them; any other is refused, and that is
remembered: whatever both threads made is then thrown away and made again, one after the other. So
a refusal never shows, not even where the user's code catches it.
"""

import threading
from typing import NoReturn


class Disturbed(BaseException):
    """Somebody touched what belongs to the leaf that is computed on another thread.

    Not an Exception: user code that catches these must not take it for its own. It never leaves
    `LeafComputer`.
    """


class Overlap:
    """One read beside one computation. The thread that reads says so itself."""

    def __init__(self) -> None:
        self.computing = threading.get_ident()
        self.reading: int | None = None
        self.is_disturbed = False


class _UnderWay:
    """Of this process: its global generators are one set, so there is one leaf at a time."""

    overlap: Overlap | None = None


_NOW = _UnderWay()


def begin() -> Overlap:
    """From here on a read is under way beside what this thread computes."""
    assert _NOW.overlap is None, "two reads at a time"
    _NOW.overlap = Overlap()
    return _NOW.overlap


def end() -> None:
    """The read is over."""
    _NOW.overlap = None


def is_reader() -> bool:
    """Whether this thread reads ahead."""
    return _NOW.overlap is not None and _NOW.overlap.reading == threading.get_ident()


def require_owner() -> None:
    """Raises Disturbed on any thread but the computing one while a read is under way."""
    if _NOW.overlap is not None and _NOW.overlap.computing != threading.get_ident():
        refuse()


def refuse() -> NoReturn:
    """Raises Disturbed, and remembers it."""
    if _NOW.overlap is not None:
        _NOW.overlap.is_disturbed = True
    raise Disturbed
