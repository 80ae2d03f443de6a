"""Stopping: cleanly, with what there is, and with nothing left behind."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.service.processes import (
    DIGITS,
    Ended,
    dtrain,
    finish,
    is_alive,
    joins,
    options,
    read,
    running,
    steps,
    until,
)


def stopped(
    run_dir: Path, workers: int, how: Any, folder: Path, *more: str
) -> tuple[Ended, list[int]]:
    """A long run that is stopped after a few steps; its end, and the workers' process numbers."""
    command = ["run", DIGITS, *options(epochs=10_000), "--workers", str(workers), *more]
    with running(*command, "--run-dir", str(run_dir), cwd=folder) as process:
        until(lambda: steps(run_dir) >= 3 and len(joins(run_dir)) == workers, "some steps")
        pids = [event["pid"] for event in joins(run_dir)]
        how(process)
        return finish(process), pids


@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [
        (signal.SIGINT, 130, 2),
        (signal.SIGTERM, 143, 0),
        pytest.param(signal.SIGINT, 130, 0, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, 2, marks=pytest.mark.slow),
    ],
)
def test_a_signal_stops_the_run_cleanly(
    number: signal.Signals, code: int, workers: int, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    ended, pids = stopped(run_dir, workers, lambda p: os.kill(p.pid, number), tmp_path)
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert (run_dir / "final.safetensors").exists()
    assert read(run_dir)["state"] == "stopped"
    assert ended.digest == dtrain("digest", str(run_dir)).digest
    assert not any(is_alive(pid) for pid in pids)


def test_a_stopped_run_has_the_digest_of_as_many_steps(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    ended, _ = stopped(run_dir, 2, lambda p: os.kill(p.pid, signal.SIGINT), tmp_path)
    done = read(run_dir)["result"]["steps"]
    same = [*options(epochs=10_000, max_steps=done), "--workers", "0"]
    assert dtrain("run", DIGITS, *same, cwd=tmp_path).digest == ended.digest


def test_dtrain_stop_ends_the_run_of_a_directory(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    ended, _ = stopped(run_dir, 1, lambda p: dtrain("stop", str(run_dir)), tmp_path)
    assert ended.code == 0
    assert read(run_dir)["state"] == "stopped"


def test_dtrain_status_shows_step_and_workers(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    seen: list[Ended] = []

    def look_then_stop(process: Any) -> None:
        seen.append(dtrain("status", str(run_dir), "--json"))
        dtrain("stop", str(run_dir))

    stopped(run_dir, 2, look_then_stop, tmp_path)
    status = json.loads(seen[0].out)
    assert status["step"] >= 3
    assert len(status["workers"]) == 2


def test_max_seconds_ends_a_run_and_is_no_failure(tmp_path: Path) -> None:
    long = options(epochs=10_000, max_seconds=1.0)
    ended = dtrain("run", DIGITS, *long, "--workers", "2", cwd=tmp_path)
    assert ended.code == 0
    assert len(ended.digest) == 64


def test_when_the_launcher_is_killed_nobody_is_left(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    _, pids = stopped(run_dir, 2, lambda p: os.kill(p.pid, signal.SIGKILL), tmp_path)
    until(lambda: not any(is_alive(pid) for pid in pids), "the workers' end")


def test_json_ends_with_one_object(tmp_path: Path) -> None:
    command = ["run", DIGITS, *options(epochs=1), "--workers", "2", "--json"]
    ended = dtrain(*command, cwd=tmp_path)
    result = json.loads(ended.out.splitlines()[-1])
    names = "job steps epochs loss eval digest seconds samples_per_second workers run_dir"
    assert set(names.split()) <= result.keys()
    assert result["workers"] == 2
