"""The headline, with real processes: the digest does not depend on who computed what."""

import itertools
import os
import random
import signal
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.service.processes import (
    DIGITS,
    dtrain,
    finish,
    joins,
    options,
    running,
    steps,
    until,
)

TCP = "tcp://127.0.0.1:0"
QUICK = [(1, TCP, 6), (2, "ipc", 8)]
SHORT, LONG = 6, 24  # epochs of 6 steps: over in an instant; long enough for others to come


def job(micro_batches: int, epochs: int = SHORT) -> Sequence[str]:
    return [DIGITS, *options(epochs=epochs, micro_batches=micro_batches)]


@cache
def alone(micro_batches: int, folder: Path, epochs: int = SHORT) -> str:
    """The digest of one process."""
    ended = dtrain("run", *job(micro_batches, epochs), "--workers", "0", cwd=folder)
    assert ended.code == 0, ended.err
    return ended.digest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize(
    ("workers", "bind", "micro_batches"),
    [
        pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow)
        for case in itertools.product((1, 2, 3, 5), ("ipc", TCP), (8, 6))
    ],
)
def test_any_number_of_workers_gives_the_digest_of_one_process(
    workers: int, bind: str, micro_batches: int, folder: Path
) -> None:
    how = [] if bind == "ipc" else ["--bind", bind]
    ended = dtrain("run", *job(micro_batches), "--workers", str(workers), *how, cwd=folder)
    assert ended.code == 0, ended.err
    assert ended.digest == alone(micro_batches, folder)


@pytest.mark.parametrize("micro_batches", [8, pytest.param(6, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_worker_killed_at_a_random_moment_does_not_show(
    seed: int, micro_batches: int, folder: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    moment = random.Random(seed).randrange(1, 20)
    print(f"seed {seed}: kill after {moment} steps")
    command = ["run", *job(micro_batches), "--workers", "3", "--run-dir", str(run_dir)]
    with running(*command, cwd=folder) as process:
        until(lambda: len(joins(run_dir)) == 3 and steps(run_dir) >= moment, "some steps")
        os.kill(joins(run_dir)[seed % 3]["pid"], signal.SIGKILL)
        ended = finish(process)
    assert ended.code == 0, ended.err
    assert ended.digest == alone(micro_batches, folder)


@pytest.mark.parametrize("micro_batches", [8, pytest.param(6, marks=pytest.mark.slow)])
def test_a_worker_that_joins_late_over_tcp_does_not_show(
    micro_batches: int, folder: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    address = "tcp://127.0.0.1:5731"
    serve = ["coordinator", *job(micro_batches, LONG), "--bind", address, "--run-dir", str(run_dir)]
    worker = ["worker", DIGITS, "--connect", address, "--workers", "1"]
    with running(*serve, cwd=folder) as coordinator, running(*worker, cwd=folder):
        until(lambda: steps(run_dir) >= 2, "some steps")
        with running(*worker, cwd=folder):
            until(lambda: len(joins(run_dir)) == 2, "a second worker")
            ended = finish(coordinator)
    assert ended.code == 0, ended.err
    assert ended.digest == alone(micro_batches, folder, LONG)


@pytest.mark.slow
def test_a_run_waits_for_a_worker_and_goes_on_when_one_joins(folder: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    address = "tcp://127.0.0.1:5732"
    command = ["run", *job(8, LONG), "--workers", "1", "--bind", address, "--run-dir", str(run_dir)]
    with running(*command, cwd=folder) as process:
        until(lambda: steps(run_dir) >= 1, "a step")
        os.kill(joins(run_dir)[0]["pid"], signal.SIGKILL)
        with running("worker", DIGITS, "--connect", address, "--workers", "1", cwd=folder):
            ended = finish(process)
    assert ended.code == 0, ended.err
    assert ended.digest == alone(8, folder, LONG)
