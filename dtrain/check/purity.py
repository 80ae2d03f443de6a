"""Is a leaf a function of its inputs? It is computed here, and in two fresh processes.

They differ in what must not matter: in process id and time, in the order in which leaves are
computed, and (on Linux) in the bytes that fresh memory holds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dtrain.errors import ImpureError, JobError
from dtrain.job import Job
from dtrain.numerics import pins

DEADLINE_S = 120.0  # and twenty times what this process took
FILLED = {"MALLOC_PERTURB_": "165"}  # of glibc: fresh memory is not zero, freed memory not as left
WHAT = {
    "data": "the data",
    "weights": "the initial value of {}",
    "gradients": "the gradient of {}",
    "evaluation": "what leaf 0 of an evaluation gives",
}

Seen = Mapping[str, Any]  # what `fresh.observe` returns


def in_fresh_processes(
    job: Job, spec: str, given: Mapping[str, Any], took_s: float = 0.0
) -> list[Seen]:
    """What two fresh processes compute, of `fresh.observe`; the second measures memory, too.

    took_s: what building the job and a leaf took here, for the deadline
    Raises ImpureError if one of them finds it out by itself, JobError for a job that works here
    but not there.
    """
    arguments = [spec, "--settings", json.dumps(dict(given))]
    if job._data_dir is not None:
        arguments += ["--data", str(job._data_dir)]
    environment = {**os.environ, **pins(job.blas_threads, job.numerics)}
    deadline = time.monotonic() + DEADLINE_S + 20 * took_s
    children: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="dtrain-check-") as folder:
        one, two = Path(folder, "forwards"), Path(folder, "backwards")
        try:
            children.append(_start(arguments, environment, one))
            children.append(_start([*arguments, "--backwards"], environment | FILLED, two))
            pairs = zip(children, (one, two), strict=True)
            return [_result(child, file, deadline) for child, file in pairs]
        finally:
            for child in children:
                child.kill()
                child.wait()


def require_same(seen: Sequence[Seen]) -> None:
    """Raises ImpureError with the first thing in which these differ."""
    first, *others = seen
    for other in others:
        name = first_difference(first, other)
        if name is not None:
            raise ImpureError(
                f"the same was computed in several processes, and {name} differed: what a job "
                "computes must be the same in every process. Let it depend on no clock, "
                "process id, host name, order of a set or of a folder's files, or random number "
                "that is not drawn from self.rng, dtrain.rng() or the seeded global generators"
            )


def first_difference(a: Seen, b: Seen) -> str | None:
    """What differs, in words: the data before the weights before the gradients; or None."""
    for key, words in WHAT.items():
        if a[key] == b[key]:
            continue
        if not isinstance(a[key], Mapping):
            return words
        names = [name for name in a[key] if a[key][name] != b[key].get(name)]
        gradients = [name for name in names if name != "loss"]  # it is first, and says least
        return words.format(gradients[0]) if gradients else "the loss, or what is logged,"
    return None


def _start(
    arguments: Sequence[str], environment: Mapping[str, str], file: Path
) -> "subprocess.Popen[bytes]":
    """A process that writes to this file. What the job prints on the way is not ours to show."""
    # -P: a folder named like one of our packages in the working directory is not imported
    command = [sys.executable, "-P", "-m", "dtrain.check.fresh", *arguments, "--out", str(file)]
    with file.with_suffix(".err").open("wb") as errors:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def _result(child: "subprocess.Popen[bytes]", file: Path, deadline: float) -> Seen:
    try:
        code = child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise JobError(
            "a fresh process with this job does not come to an end, as this one did; does it wait "
            "for something that is there only once?"
        ) from None
    if not file.exists():
        last = file.with_suffix(".err").read_text(errors="replace").strip().splitlines()[-1:]
        words = last[0] if last else f"exit code {code}"
        raise JobError(f"a fresh process with this job fails, as this one did not: {words}")
    said: Seen = json.loads(file.read_text())
    if "impure" in said:
        raise ImpureError(f"in a fresh process: {said['impure']}")
    if "error" in said:
        raise JobError(f"a fresh process with this job fails, as this one did not: {said['error']}")
    return said
