"""A run directory: run.json, metrics.jsonl, events.jsonl, final.safetensors, source/, ...

Files are replaced whole (written beside, synced, renamed) or grow by whole lines, so that they
can be read at any time, and after a crash.
"""

import errno
import itertools
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dtrain.digest import digest as digest_of
from dtrain.errors import RunDirError, RunError

RUN, METRICS, EVENTS = "run.json", "metrics.jsonl", "events.jsonl"
FINAL, EMA, INIT, SOURCE, LOCK = (
    "final.safetensors", "ema.safetensors", "init.safetensors", "source", "lock",
)  # fmt: skip

# What run.json has under some names, where they are there: what every reader may rely on.
KINDS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("spec", "job", "state", "address"), (str, "a text")),
    **dict.fromkeys(("settings", "sources", "fingerprint", "result"), (dict, "an object")),
    "resumed": (list, "a list"),
    "term": (int, "a number"),
}


class Final(NamedTuple):
    """What final.safetensors holds: the weights in the order of `state_dict`."""

    weights: dict[str, np.ndarray]
    digest: str
    steps: int


class RunDir:
    """The files of one run. Make one with `create`, `open` or `existing`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock: int | None = None

    @classmethod
    def create(cls, path: str | Path | None, name: str) -> "RunDir":
        """A new directory: this one, which must be empty or absent, or else runs/NAME-TIME.

        Raises RunDirError if there is something in it, or it cannot be made.
        """
        if path is None:
            return cls(new_folder(Path("runs"), f"{name.lower()}-{time.strftime('%Y%m%d-%H%M%S')}"))
        path = Path(path).expanduser()
        if path.is_dir() and any(path.iterdir()):
            raise RunDirError(
                f"{path} is not empty, and a run directory is never overwritten; "
                "give another one, or remove it"
            )
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> "RunDir":
        """This directory, made if it is absent. Raises RunDirError if that is impossible."""
        path = Path(path).expanduser()
        _make(path)
        return cls(path)

    @classmethod
    def existing(cls, path: str | Path) -> "RunDir":
        """The directory of a run that was started. Raises RunDirError if it is none, or its
        run.json is missing or damaged."""
        path = Path(path).expanduser()
        if not (path / RUN).is_file():
            what = "has no run.json: it is no run directory" if path.is_dir() else "is no directory"
            raise RunDirError(f"{path} {what}")
        run = cls(path)
        if run.read_run().get("settings") is None:
            raise RunDirError(f"{path / RUN} is damaged: it has no settings")
        return run

    # Writing

    def update_run(self, **fields: Any) -> None:
        """Set keys of run.json, all at once or, after a crash, not at all."""
        before = self.read_run() if (self.path / RUN).exists() else {}
        text = json.dumps(plain({**before, **fields}), indent=2, allow_nan=False) + "\n"
        self._replace(RUN, lambda file: file.write_text(text, "utf-8"))

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """A line of metrics.jsonl. A number that is not finite is written as null."""
        self._append(METRICS, line)

    def append_event(self, event: Mapping[str, Any]) -> None:
        """A line of events.jsonl; `time` (seconds since 1970) is put before its keys."""
        self._append(EVENTS, {"time": round(time.time(), 3), **event})

    def lock(self) -> None:
        """Make this directory this process's own while it lives, however it dies.

        Raises RunDirError if another process has it.
        """
        import fcntl

        try:
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.unlock()
            raise RunDirError(
                f"{self.path} is in use: its run is going on; see dtrain status {self.path}"
            ) from None
        except OSError as error:
            raise RunDirError(f"cannot lock {self.path}: {error.strerror}") from None

    def is_live(self) -> bool:
        """Whether a process is writing here: it holds the lock."""
        try:
            self.lock()
        except RunDirError:
            return True
        self.unlock()
        return False

    def unlock(self) -> None:
        """Leave the directory to others."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def cut_metrics(self, version: int, evaluated: bool) -> int:
        """Take back the lines of metrics.jsonl that come after `version` steps.

        evaluated: whether the evaluation after these is one of them
        Returns how many damaged lines were lost with them, as after a power cut.
        """
        lines, lost = self._readable(METRICS)
        kept = [line for line in lines if _is_before(line, version, evaluated)]
        self._write_lines(METRICS, kept)
        events, broken = self._readable(EVENTS)
        if broken:
            self._write_lines(EVENTS, events)
        return lost

    def _readable(self, name: str) -> tuple[list[dict[str, Any]], int]:
        """The lines of a file that can be read, and how many cannot. One that ends without its
        newline was being written, and does not count."""
        path, lines, lost = self.path / name, [], 0
        for text in path.read_bytes().split(b"\n") if path.exists() else []:
            try:
                line = json.loads(text) if text else None
            except ValueError:
                lost += 1
                continue
            if isinstance(line, dict):
                lines.append(line)
        return lines, lost

    def _write_lines(self, name: str, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        self._replace(name, lambda file: file.write_text(text, "utf-8"))

    def remove_final(self) -> None:
        """The weights of an end that was none: the run goes on."""
        for name in (FINAL, EMA):
            (self.path / name).unlink(missing_ok=True)

    def sync_metrics(self) -> None:
        """Wait until metrics.jsonl is on the disk. Raises OSError."""
        if (self.path / METRICS).exists():
            sync(self.path / METRICS)

    def write_final(self, weights: Mapping[str, np.ndarray], digest: str, steps: int) -> None:
        """final.safetensors; its metadata say the names' order, the digest and the steps."""
        self._write_weights(FINAL, weights, digest, steps)

    def write_ema(self, weights: Mapping[str, np.ndarray], steps: int) -> None:
        """ema.safetensors: the same for averaged weights."""
        self._write_weights(EMA, weights, digest_of(weights), steps)

    def write_init(self, weights: Mapping[str, np.ndarray]) -> None:
        """init.safetensors: the weights that the run began with, where they were given."""
        self._write_weights(INIT, weights, digest_of(weights), 0)

    def _write_weights(
        self, name: str, weights: Mapping[str, np.ndarray], digest: str, steps: int
    ) -> None:
        from safetensors.numpy import save

        from dtrain.serialization import in_order

        # np.ascontiguousarray would make arrays of 0 dimensions 1-dimensional
        arrays = {name: np.require(array, requirements="C") for name, array in weights.items()}
        metadata = {"order": json.dumps(list(weights)), "digest": digest, "steps": str(steps)}
        data = in_order(save(arrays, metadata))
        self._replace(name, lambda file: file.write_bytes(data))

    def save_sources(self, files: Mapping[str, Path]) -> None:
        """Copy files into source/, each to its path there."""
        for name, file in files.items():
            target = self.path / SOURCE / name
            _make(target.parent)
            try:
                shutil.copyfile(file, target)
            except OSError as error:
                raise RunError(f"cannot write {target}: {error.strerror}") from error

    def discard(self) -> None:
        """Remove the directory of a run that never started; one that holds anything stays."""
        with suppress(OSError):
            shutil.rmtree(self.source, ignore_errors=True)
            (self.path / LOCK).unlink(missing_ok=True)
            self.path.rmdir()

    # Reading

    def read_run(self) -> dict[str, Any]:
        """run.json. Raises RunDirError if it is missing or damaged."""
        try:
            run = json.loads((self.path / RUN).read_text("utf-8"))
        except OSError as error:
            raise RunDirError(f"{self.path}: no readable {RUN}: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise RunDirError(f"{self.path / RUN} is damaged: {error}") from None
        if not isinstance(run, dict):
            raise RunDirError(f"{self.path / RUN} is damaged: it is no record of a run")
        for name, (kind, words) in KINDS.items():
            if not isinstance(run.get(name), kind | None):
                raise RunDirError(f"{self.path / RUN} is damaged: its {name} should be {words}")
        return run

    def metrics(self) -> list[dict[str, Any]]:
        """The complete lines of metrics.jsonl, steps and evaluations."""
        return self._lines(METRICS)

    def events(self) -> list[dict[str, Any]]:
        """The complete lines of events.jsonl."""
        return self._lines(EVENTS)

    def read_final(self) -> Final:
        """The final weights. Raises RunDirError if there are none, or they are damaged."""
        return self.read_weights(FINAL)

    def read_weights(self, name: str) -> Final:
        """What was written as final.safetensors, ema.safetensors or init.safetensors.

        Raises RunDirError if it is not there, or damaged.
        """
        from safetensors import SafetensorError, safe_open

        path = self.path / name
        if not path.is_file():
            state = self.read_run().get("state", "unknown")
            raise RunDirError(f"{path} does not exist; the run's state is '{state}'")
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata()
                weights = {name: file.get_tensor(name) for name in json.loads(metadata["order"])}
            final = Final(weights, metadata["digest"], int(metadata["steps"]))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise RunDirError(f"{path} is damaged: {error}") from None
        if digest_of(weights) != final.digest:
            raise RunDirError(f"{path} is damaged: its weights have another digest than it says")
        return final

    @property
    def source(self) -> Path:
        """The folder with the copies of the job's files."""
        return self.path / SOURCE

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        """Add a whole line, or on a full disk nothing."""
        data = (json.dumps(plain(line), allow_nan=False) + "\n").encode()
        try:
            with (self.path / name).open("ab", buffering=0) as file:
                before = file.tell()
                if file.write(data) != len(data):
                    file.truncate(before)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise RunError(f"cannot write {self.path / name}: {error.strerror}") from error

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self.path / name
        if not path.exists():
            return []
        lines = path.read_text("utf-8").splitlines(keepends=True)
        try:
            return [json.loads(line) for line in lines if line.endswith("\n")]
        except ValueError as error:
            raise RunDirError(f"{path} is damaged: {error}") from None

    def _replace(self, name: str, write: Callable[[Path], object]) -> None:
        """Write a file beside its place, sync it, and rename it."""
        beside = self.path / f".{name}.{os.getpid()}"
        try:
            write(beside)
            sync(beside)
            beside.replace(self.path / name)
            sync(self.path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise RunError(f"cannot write {self.path / name}: {error.strerror}") from error


def _is_before(line: Mapping[str, Any], version: int, evaluated: bool) -> bool:
    """Whether a line is of the first `version` steps."""
    is_last = "eval" in line and line["step"] == version - 1
    return bool(line["step"] < version) and (evaluated or not is_last)


def new_folder(parent: Path, name: str) -> Path:
    """A folder that was not there before: NAME, NAME-2, NAME-3, ..."""
    _make(parent)
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
            sync(parent)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunDirError(f"cannot make {path}: {error.strerror}") from None
        return path
    raise AssertionError("count ended")


def _make(path: Path) -> None:
    """A folder, and those above it, which survive a power cut."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for each in missing:
            sync(each.parent)
    except OSError as error:
        raise RunDirError(f"cannot make the directory {path}: {error.strerror}") from None


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def plain(value: Any) -> Any:
    """A value as JSON has it: NumPy's numbers as Python's, paths as text, nan and inf as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)
