"""The checkpoints of a run: `checkpoints/step-00000500.safetensors`, written, read, thrown away.

A file holds everything that the rest of the run depends on (`Trainer.to_dict`), and has a checksum.
It is written under another name, synced, renamed, and its folder synced: once `write` has
returned it survives a power cut, and whatever happens in between, the files before it are whole.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from dtrain import serialization
from dtrain.digest import digest
from dtrain.errors import RunDirError, RunError
from dtrain.monitor import is_better

FOLDER, PREFIX, SUFFIX, DAMAGED = "checkpoints", "step-", ".safetensors", ".damaged"


class Found(NamedTuple):
    """The newest checkpoint that can be read, and what is to be said of newer ones."""

    path: Path | None
    state: dict[str, Any] | None
    damaged: list[str]


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
            self.folder.mkdir(exist_ok=True)
            serialization.write(path, serialization.to_bytes(dict(state)))
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from error
        return path

    def newest(self) -> Found:
        """The newest checkpoint that is whole."""
        damaged: list[str] = []
        for path in self.all():
            try:
                return Found(path, read(path), damaged)
            except RunDirError as error:
                damaged.append(str(error))
        return Found(None, None, damaged)

    def best(self, mode: str) -> Path | None:
        """The one with the best value of what was monitored; of equal ones the first made."""
        best: tuple[float, Path] | None = None
        for path in reversed(self.all()):
            value = _value(path)
            if value is not None and is_better(mode, value, best and best[0]):
                best = value, path
        return best and best[1]

    def thin_out(self, keep_last: int, keep_best: int, mode: str) -> None:
        """Remove all but the newest and the best ones."""
        files = self.all()
        kept = set(files[:keep_last])
        valued = [(value, path) for path in reversed(files) if (value := _value(path)) is not None]
        ranked = sorted(valued, key=lambda pair: pair[0], reverse=mode == "max")  # stable
        kept |= {path for _, path in ranked[:keep_best]}
        for path in files:
            if path not in kept:
                with suppress(OSError):
                    path.unlink()

    def put_aside(self, damaged: int) -> None:
        """Rename that many of the newest, so that they are not found again; remove what a process
        that was killed has left behind."""
        with suppress(OSError):
            for path in self.all()[:damaged]:
                path.rename(path.with_name(path.name + DAMAGED))
            for file in self.folder.glob(f".{PREFIX}*"):
                file.unlink()


def read(path: Path) -> dict[str, Any]:
    """The state in a checkpoint. Raises RunDirError if it is damaged or none."""
    try:
        state: dict[str, Any] = serialization.from_bytes(path.read_bytes(), str(path))
        weights = {name: tensor._array for name, tensor in state["model"].items()}
        said = state["digest"]
    except OSError as error:
        raise RunDirError(f"{path} cannot be read: {error.strerror}") from None
    except RuntimeError as error:
        raise RunDirError(str(error)) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise RunDirError(f"{path} is no checkpoint of a run: {error!r}") from None
    if digest(weights) != said:
        raise RunDirError(f"{path} is damaged: its weights have another digest than it says")
    return state


def version_of(path: Path) -> int | None:
    """How many steps made the weights of a checkpoint, by its name."""
    text = path.name.removeprefix(PREFIX).removesuffix(SUFFIX)
    return int(text) if text.isdecimal() else None


def _value(path: Path) -> float | None:
    """The monitored metric of a checkpoint's weights, if they were evaluated."""
    try:
        value = serialization.peek(path).get("value")
    except (OSError, ValueError, AttributeError):
        return None
    return value if isinstance(value, float) else None
