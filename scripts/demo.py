"""`make demo`: one job in one process, with two workers, and with three of which one is killed.

Prints every command before it runs it, and at the end the three digests. Exits with 1 if they
differ, if the test accuracy is below 0.97, or if the kill came too late to hit a running worker.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DTRAIN = os.path.relpath(Path(sys.executable).with_name("dtrain"), ROOT)
RUNS = Path("build/demo")
JOB = "examples/digits.py"
ACCURACY_MIN = 0.97
EVAL_EVERY = 60  # steps; it says how often to print, and does not change the digest
POLL_S = 0.002


def main() -> int:
    os.chdir(ROOT)
    shutil.rmtree(RUNS, ignore_errors=True)
    runs = {
        "one process": train("one", workers=0),
        "two workers": train("two", workers=2),
        "three workers, one killed": train("three", workers=3, kill=True),
    }
    return report(runs)


def train(name: str, workers: int, kill: bool = False) -> dict[str, Any]:
    """Run the job; return what the run directory says of the result."""
    run_dir = RUNS / name
    command = [DTRAIN, "run", JOB, "--workers", str(workers), "--run-dir", str(run_dir)]
    command += ["--set", f"eval_every={EVAL_EVERY}"]
    print("\n$", " ".join(command), flush=True)
    with subprocess.Popen(command) as process:
        if kill:
            kill_one_worker(process, run_dir)
        if process.wait() != 0:
            sys.exit(f"demo: the run ended with exit code {process.returncode}")
    result: dict[str, Any] = json.loads((run_dir / "run.json").read_text())["result"]
    return result


def kill_one_worker(run: "subprocess.Popen[bytes]", run_dir: Path) -> None:
    """Send SIGKILL to a worker once about half of the steps are done."""
    while run.poll() is None:
        planned = steps_planned(run_dir)
        done = sum("eval" not in line for line in lines(run_dir / "metrics.jsonl"))
        if planned and done >= planned // 2:
            worker = events(run_dir, "join")[0]
            print(
                f"$ kill -9 {worker['pid']}   # a worker, after step {done} of {planned}",
                flush=True,
            )
            os.kill(worker["pid"], signal.SIGKILL)
            return
        time.sleep(POLL_S)


def steps_planned(run_dir: Path) -> int:
    """How many steps the run will make; 0 while that is not known yet."""
    try:
        return int(json.loads((run_dir / "run.json").read_text()).get("steps", 0))
    except (FileNotFoundError, json.JSONDecodeError):
        return 0


def events(run_dir: Path, event: str) -> list[dict[str, Any]]:
    """The events of this name, from the first to the last."""
    return [line for line in lines(run_dir / "events.jsonl") if line["event"] == event]


def lines(file: Path) -> list[dict[str, Any]]:
    """The complete lines of a JSON-lines file that is being written."""
    text = file.read_text() if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def report(runs: dict[str, dict[str, Any]]) -> int:
    """Print digests side by side; return the exit code."""
    print()
    for name, result in runs.items():
        accuracy = result["eval"]["accuracy"]
        print(f"{name:27}{result['digest']}  accuracy {accuracy:.4f}  {result['seconds']:.1f} s")
    problems = list(wrong(runs))
    print("; ".join(problems) or "identical")
    return 1 if problems else 0


def wrong(runs: dict[str, dict[str, Any]]) -> list[str]:
    """What did not come out as promised."""
    found = []
    if len({result["digest"] for result in runs.values()}) != 1:
        found.append("the digests differ")
    if min(result["eval"]["accuracy"] for result in runs.values()) < ACCURACY_MIN:
        found.append(f"test accuracy is below {ACCURACY_MIN}")
    if not events(RUNS / "three", "lost"):
        found.append("no worker was lost: the run was over before the kill")
    return found


if __name__ == "__main__":
    sys.exit(main())
