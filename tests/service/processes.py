"""Real processes for tests: start dtrain as a user would, watch its run directory, read its end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtrain import numerics

ROOT = Path(__file__).parents[2]
DIGITS = str(ROOT / "examples" / "digits.py")
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def digest(self) -> str:
        """The last line's digest."""
        word, value = self.out.splitlines()[-1].split()
        assert word == "digest"
        return value


def environment(**changes: str) -> dict[str, str]:
    """This process's, with the repository importable; the kernels are the machine's own.

    Threads are pinned already, which saves each command its restart: tests/user has that.
    """
    own = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    for name in ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "DTRAIN_DATA"):
        own.pop(name, None)
    return {**own, **numerics.pins(1, "native"), **changes}


def start(*arguments: str, cwd: Path | None = None, **changes: str) -> subprocess.Popen[str]:
    """`dtrain ARGUMENTS` in the background, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dtrain", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=cwd,
        env=environment(**changes),
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], deadline_s: float = DEADLINE_S) -> Ended:
    """Wait for the end; a command that does not end is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate(timeout=deadline_s)
        raise AssertionError(f"no end after {deadline_s} s\n{out}\n{err}") from None
    return Ended(process.returncode, out, err)


def dtrain(*arguments: str, cwd: Path | None = None, **changes: str) -> Ended:
    """`dtrain ARGUMENTS`, to its end."""
    return finish(start(*arguments, cwd=cwd, **changes))


@contextlib.contextmanager
def running(*arguments: str, cwd: Path | None = None, **changes: str) -> Iterator[Any]:
    """`dtrain ARGUMENTS` in the background; killed at the end of the block if still there."""
    process = start(*arguments, cwd=cwd, **changes)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(ValueError):  # its output has been read to the end
            process.communicate(timeout=DEADLINE_S)


def until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """The first true value of a condition on the outside world, looked at every 5 ms."""
    tick = threading.Event()
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        tick.wait(0.005)
    raise AssertionError(f"never happened within {deadline_s} s: {what}")


def lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a .jsonl file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def joins(run_dir: Path) -> list[dict[str, Any]]:
    """The workers that have joined a run."""
    return [event for event in lines(run_dir / "events.jsonl") if event["event"] == "join"]


def steps(run_dir: Path) -> int:
    """How many steps a run has committed."""
    return sum("loss" in line for line in lines(run_dir / "metrics.jsonl"))


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def read(run_dir: Path) -> dict[str, Any]:
    """run.json."""
    content: dict[str, Any] = json.loads((run_dir / "run.json").read_text())
    return content


def options(**settings: Any) -> Sequence[str]:
    """--set K=V for each."""
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
