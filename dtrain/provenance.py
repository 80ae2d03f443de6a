"""Where a run's results come from: the machine, the versions, the state of the job's repository."""

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from dtrain.version import VERSION

GIT_TIMEOUT_S = 5.0
CPU_TABLE = Path("/proc/cpuinfo")


def machine() -> dict[str, Any]:
    """This host: name, system, CPU, cores that this process may use, versions."""
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": _cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "dtrain": VERSION,
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit that a folder is at, and whether its files differ from it; None outside git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    changes = _git(folder, "status", "--porcelain", "--", ".")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    import subprocess  # slow to load, and only the recorder asks

    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu() -> str:
    """The CPU's name in words."""
    if CPU_TABLE.is_file():
        for line in CPU_TABLE.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
