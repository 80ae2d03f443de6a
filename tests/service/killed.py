"""A run that is killed again and again: python killed.py FOLDER KILLS SEED.

Each life is a process, forked from this one, which goes on with the run in FOLDER and is ended by
SIGKILL after a random time. Prints a line of JSON: kills inside the writing of a checkpoint,
damaged checkpoints, the steps at the end, and the digest.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dtrain import nn, optim
from dtrain.checkpoint import FOLDER, PREFIX, Checkpoints
from dtrain.data import TensorDataset
from dtrain.job import Job
from dtrain.nn import functional as F
from dtrain.optim import lr_scheduler
from dtrain.resume import Start
from dtrain.rundir import RUN, RunDir
from dtrain.training import run_in_process

X = np.random.default_rng(0).normal(size=(512, 64)).astype(np.float32)
Y = X[:, :10].argmax(1)


class Points(Job):
    """Writes a checkpoint of 2 MB after each step: most of its time it is in the midst of one."""

    epochs: int = 2000
    batch_size: int = 128
    micro_batches: int = 2
    checkpoint_every: int | None = 1
    keep_best: int = 1
    monitor: str = "max accuracy"
    ema: float | None = 0.9
    clip_grad_norm: float | None = 1.0

    def model(self) -> nn.Module:
        return nn.Sequential(
            nn.Linear(64, 1500), nn.BatchNorm1d(1500), nn.ReLU(), nn.Linear(1500, 10)
        )

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.AdamW(model.parameters(), lr=0.01)

    def lr_scheduler(self, optimizer: optim.Optimizer) -> Any:
        return lr_scheduler.CosineAnnealingLR(optimizer, self.total_steps)

    def train_data(self) -> Any:
        return TensorDataset(X, Y)

    def eval_data(self) -> Any:
        return TensorDataset(X[:100], Y[:100])

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        logits = model(x)
        self.log("accuracy", (logits.argmax(1) == y).float().mean())
        return F.cross_entropy(logits, y)


def live(folder: Path, stop_after: int | None = None) -> None:
    """Begin the run, or go on with it, to its end or to a step."""
    start = Start(resume=(folder / RUN).exists(), stop_after=stop_after)
    run_in_process(Points(), RunDir.open(folder), start, quiet=True)


def child(folder: Path, stop_after: int | None = None) -> int:
    """A process that lives."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
        try:
            live(folder, stop_after)
            code = 0
        finally:
            os._exit(code)
    return pid


def ended_by(pid: int, is_time: Callable[[], bool]) -> int | None:
    """A process's exit status; None if it is killed because it is time to."""
    tick = threading.Event()
    while not is_time():
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        tick.wait(0.0002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def after(seconds: float) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() >= deadline


def is_written(folder: Path) -> bool:
    """Whether a checkpoint is half written."""
    return any((folder / FOLDER).glob(f".{PREFIX}*"))


def at_writing(folder: Path, too_late: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: is_written(folder) or too_late()


def main(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill that many lives, look at what each leaves, then let the last one end.

    Every second life is killed at a random instant, the others when they begin to write.
    """
    draw, began = random.Random(seed), time.monotonic()
    assert ended_by(child(folder, 1), after(60.0)) == 0
    longest_s = 1.5 * (time.monotonic() - began)
    inside = damaged = 0
    for kill in range(kills):
        pid = child(folder)
        instant, too_late = after(draw.uniform(0.0, longest_s)), after(longest_s)
        aimed = kill % 2 == 1 and not is_written(folder)
        status = ended_by(pid, at_writing(folder, too_late) if aimed else instant)
        assert status is None, f"a life ended by itself with status {status} after {kill} kills"
        inside += is_written(folder)
        damaged += len(Checkpoints(folder).newest().damaged)
    found = Checkpoints(folder).newest().state
    steps = (0 if found is None else int(found["version"])) + 5
    status = ended_by(child(folder, steps), after(60.0))
    assert status == 0, f"the last life ended with status {status}"
    digest = RunDir(folder).read_run()["result"]["digest"]
    return {"inside": inside, "damaged": damaged, "steps": steps, "digest": digest}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
