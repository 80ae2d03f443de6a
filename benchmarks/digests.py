"""One digest for any number of workers, and after kill-and-resume, at full size.

    python -m benchmarks.digests JOB.py [--data DIR] [--set K=V ...] [--steps N] [--kills K]

Runs the job in one process and with 1, 2 and 3 workers; then once more, killed K times (SIGKILL to
the coordinator, every worker and the launcher, at random steps) and resumed each time with another
random number of workers. Prints a table; exits with 1 unless all digests are equal.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dtrain.rundir import METRICS, RUN

START_S = 600.0  # for a run to reach the step at which it is killed


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("job")
    parser.add_argument("--data", default=None)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="K=V")
    parser.add_argument("--steps", type=int, default=200, help="of each run (--stop-after)")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    return parser.parse_args(argv)


def begin(options: argparse.Namespace, run_dir: Path) -> list[str]:
    """A new run's arguments."""
    data = ["--data", options.data] if options.data else []
    settings = [word for each in options.settings for word in ("--set", each)]
    return [options.job, "--run-dir", str(run_dir), *data, *settings]


def go_on(options: argparse.Namespace, run_dir: Path) -> list[str]:
    """A resumed run's arguments."""
    data = ["--data", options.data] if options.data else []
    return ["--resume", str(run_dir), *data]


def command(options: argparse.Namespace, how: Sequence[str], workers: int) -> list[str]:
    steps = ["--stop-after", str(options.steps), "--quiet"]
    return [sys.executable, "-m", "dtrain", "run", *how, "--workers", str(workers), *steps]


def finished(options: argparse.Namespace, how: Sequence[str], workers: int, run_dir: Path) -> str:
    """A run to its end; its digest."""
    subprocess.run(command(options, how, workers), check=True, stdout=subprocess.DEVNULL)
    digest: str = json.loads((run_dir / RUN).read_text())["result"]["digest"]
    return digest


def killed(
    options: argparse.Namespace, how: Sequence[str], workers: int, run_dir: Path, at: int
) -> None:
    """A run whose processes all get SIGKILL once it has made `at` steps."""
    process = subprocess.Popen(
        command(options, how, workers), stdout=subprocess.DEVNULL, start_new_session=True
    )
    tick, deadline = threading.Event(), time.monotonic() + START_S
    while _steps(run_dir) < at:
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the run did not reach step {at}: exit code {process.poll()}")
        tick.wait(0.02)
    joins = [event["pid"] for event in _lines(run_dir / "events.jsonl") if event["event"] == "join"]
    for pid in [json.loads((run_dir / RUN).read_text())["pid"], *joins, process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _steps(run_dir: Path) -> int:
    return sum("lr" in line for line in _lines(run_dir / METRICS))


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def killed_and_resumed(options: argparse.Namespace, run_dir: Path) -> tuple[str, str]:
    """The digest in the end, and in words what was done to the run."""
    draw = random.Random(options.seed)
    moments = sorted(draw.sample(range(1, options.steps), options.kills))
    how, told = begin(options, run_dir), []
    for moment in moments:
        workers = draw.randrange(0, 4)
        killed(options, how, workers, run_dir, moment)
        told.append(f"{workers} until step {moment}")
        how = go_on(options, run_dir)
    workers = draw.randrange(0, 4)
    return finished(options, how, workers, run_dir), ", ".join([*told, f"then {workers}"])


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each run, and whether all are equal."""
    options = arguments(argv)
    print(f"{options.job} {' '.join(options.settings)}: {options.steps} steps, seed {options.seed}")
    digests = []
    with tempfile.TemporaryDirectory() as folder:
        for workers in range(4):
            run_dir, began = Path(folder) / str(workers), time.monotonic()
            digests.append(finished(options, begin(options, run_dir), workers, run_dir))
            print(f"{workers} workers  {digests[-1]}  {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        digest, told = killed_and_resumed(options, Path(folder) / "killed")
        print(f"killed     {digest}  {time.monotonic() - began:.0f} s; workers: {told}")
    same = {*digests, digest} == {digest}
    print("identical" if same else "DIFFERENT")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
