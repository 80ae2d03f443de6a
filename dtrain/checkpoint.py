"""The checkpoints of a run: `checkpoints/step-00000500.safetensors`, written, read, thrown away.

A file holds everything that the rest of the run depends on (`Trainer.to_dict`), and has a checksum.
It is written under another name, synced, renamed, and its folder synced: once `write` has
returned it survives a power cut, and whatever happens in between, the files before it are whole.
"""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from dtrain import serialization
from dtrain.digest import digest
from dtrain.errors import RunDirError, RunError
from dtrain.rundir import sync

FOLDER, PREFIX, SUFFIX, DAMAGED = "checkpoints", "step-", ".safetensors", ".damaged"


class Damaged(NamedTuple):
    """A file that is no whole checkpoint, and why."""

    path: Path
    reason: str


class Found(NamedTuple):
    """The newest checkpoint that can be read, and what is to be said of newer ones."""

    path: Path | None
    state: dict[str, Any] | None
    damaged: list[Damaged]


class Checkpoints:
    """The checkpoints in a run directory."""

    def __init__(self, run_dir: Path) -> None:
        self.folder = run_dir / FOLDER

    def path(self, version: int) -> Path:
        """The file of the weights that `version` steps made."""
        return self.folder / f"{PREFIX}{version:08d}{SUFFIX}"

    def all(self) -> list[Path]:
        """Newest first."""
        files = self.folder.glob(f"{PREFIX}*{SUFFIX}") if self.folder.is_dir() else []
        return sorted((file for file in files if version_of(file) is not None), reverse=True)

    def write(self, state: Mapping[str, Any]) -> Path:
        """A durable file. Raises RunError, and leaves the others as they are."""
        path = self.path(state["version"])
        try:
            if not self.folder.is_dir():
                self.folder.mkdir()
                sync(self.folder.parent)
            serialization.write(path, serialization.to_bytes(dict(state)))
        except (OSError, RuntimeError) as error:
            raise RunError(f"cannot write {path}: {error}") from error
        return path

    def newest(self) -> Found:
        """The newest checkpoint that is whole. Raises OSError for one that cannot be read now."""
        damaged: list[Damaged] = []
        for path in self.all():
            try:
                return Found(path, read(path), damaged)
            except RunDirError as error:
                damaged.append(Damaged(path, str(error)))
        return Found(None, None, damaged)

    def ranked(self, watched: str) -> list[Path]:
        """Those whose weights were evaluated, the best first; of equal ones the first made.

        watched: as the setting `monitor` says it; others do not count
        """
        oldest_first = [(path, _value(path, watched)) for path in reversed(self.all())]
        valued = [(value, path) for path, value in oldest_first if value is not None]
        is_max = watched.startswith("max")
        return [path for _, path in sorted(valued, key=lambda pair: pair[0], reverse=is_max)]

    def thin_out(self, keep_last: int, keep_best: int, watched: str) -> None:
        """Remove all but the newest and the best ones."""
        files = self.all()
        kept = {*files[:keep_last], *self.ranked(watched)[:keep_best]}
        for path in files:
            if path not in kept:
                with suppress(OSError):
                    path.unlink()

    def put_aside(self, damaged: Iterable[Path]) -> None:
        """Rename these, so that they are not found again; remove what a process that was killed
        has left behind."""
        with suppress(OSError):
            for path in damaged:
                path.rename(path.with_name(path.name + DAMAGED))
            for file in self.folder.glob(f".{PREFIX}*"):
                file.unlink()


def read(path: Path) -> dict[str, Any]:
    """The state in a checkpoint. Raises RunDirError if it is damaged or none, OSError if it cannot
    be read."""
    try:
        state: dict[str, Any] = serialization.from_bytes(path.read_bytes(), str(path))
        found, said = digest_of(state), state["digest"]
    except RuntimeError as error:
        raise RunDirError(str(error)) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise RunDirError(f"{path} is no checkpoint of a run: {error!r}") from None
    if found != said:
        raise RunDirError(f"{path} is damaged: its weights have another digest than it says")
    return state


def digest_of(state: Mapping[str, Any]) -> str:
    """The digest of a state's weights and buffers."""
    return digest({name: tensor._array for name, tensor in state["model"].items()})


def version_of(path: Path) -> int | None:
    """How many steps made the weights of a checkpoint, by its name."""
    text = path.name.removeprefix(PREFIX).removesuffix(SUFFIX)
    return int(text) if text.isdecimal() else None


def _value(path: Path, watched: str) -> float | None:
    """The metric that is watched, of a checkpoint's weights; None if they were not evaluated, or
    it was no number, or another one was watched."""
    try:
        state = serialization.peek(path)
        value, what = state["value"], state["monitor"]["watched"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_number = isinstance(value, float) and not math.isnan(value)
    return value if is_number and what == watched else None
