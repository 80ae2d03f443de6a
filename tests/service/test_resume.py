"""Killed and resumed with other numbers of workers: the digest of the uninterrupted run."""

import contextlib
import json
import os
import random
import signal
from functools import cache
from pathlib import Path

import pytest

from tests.service.processes import ROOT, dtrain, finish, joins, lines, read, running, steps, until

JOBS = str(ROOT / "tests" / "service" / "real_jobs.py")
NAMES = ["Cnn", "Chars"]


@cache
def alone(name: str, folder: Path) -> str:
    """The digest of one process."""
    ended = dtrain("run", f"{JOBS}:{name}", "--workers", "0", cwd=folder)
    assert ended.code == 0, ended.err
    return ended.digest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def killed(arguments: list[str], run_dir: Path, until_steps: int, folder: Path) -> None:
    """A run whose every process gets SIGKILL once it has made that many steps."""
    with running("run", *arguments, cwd=folder) as process:
        until(lambda: steps(run_dir) >= until_steps, "some steps")
        workers = [event["pid"] for event in joins(run_dir)]
        for pid in [read(run_dir)["pid"], *workers, process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("workers", ["2", pytest.param("1", marks=pytest.mark.slow), "3"])
def test_any_number_of_workers_gives_the_digest_of_one_process(
    workers: str, name: str, folder: Path
) -> None:
    ended = dtrain("run", f"{JOBS}:{name}", "--workers", workers, cwd=folder)
    assert ended.code == 0, ended.err
    assert ended.digest == alone(name, folder)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
def test_killed_and_resumed_with_others_is_the_digest_of_one_process(
    seed: int, name: str, folder: Path, tmp_path: Path
) -> None:
    draw, run_dir = random.Random(seed), tmp_path / "run"
    moments = sorted(draw.sample(range(1, 19), 2))
    numbers = [str(draw.randrange(0, 4)) for _ in range(3)]
    print(f"seed {seed}: killed after {moments} steps, workers {numbers}")
    begin = [f"{JOBS}:{name}", "--run-dir", str(run_dir)]
    for moment, workers in zip(moments, numbers, strict=False):
        killed([*begin, "--workers", workers], run_dir, moment, folder)
        begin = ["--resume", str(run_dir)]
    ended = dtrain("run", *begin, "--workers", numbers[-1], cwd=folder)
    assert ended.code == 0, ended.err
    assert ended.digest == alone(name, folder)
    assert [line["step"] for line in lines(run_dir / "metrics.jsonl") if "loss" in line] == [
        *range(24 if name == "Cnn" else 20)
    ]


def test_ctrl_c_keeps_every_step_and_says_how_to_go_on(folder: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    command = ["run", f"{JOBS}:Cnn", "--workers", "2", "--run-dir", str(run_dir)]
    with running(*command, cwd=folder) as process:
        until(lambda: steps(run_dir) >= 4, "some steps")
        process.send_signal(signal.SIGINT)
        stopped = finish(process)
    assert stopped.code == 130
    assert f"to go on: dtrain run --resume {run_dir}" in stopped.out
    made = json.loads((run_dir / "run.json").read_text())["result"]["steps"]
    assert (run_dir / "checkpoints" / f"step-{made:08d}.safetensors").exists()
    ended = dtrain("run", "--resume", str(run_dir), "--workers", "1", cwd=folder)
    assert ended.digest == alone("Cnn", folder)


def test_workers_come_back_to_a_coordinator_that_was_killed_and_resumed(
    folder: Path, tmp_path: Path
) -> None:
    run_dir, address = tmp_path / "run", "tcp://127.0.0.1:5733"
    serve = ["coordinator", f"{JOBS}:Chars", "--bind", address, "--run-dir", str(run_dir)]
    worker = ["worker", f"{JOBS}:Chars", "--connect", address, "--workers", "2"]
    with running(*worker, cwd=folder) as workers:
        with running(*serve, cwd=folder) as first:
            until(lambda: steps(run_dir) >= 5, "some steps")
            first.kill()
            first.wait()
        again = ["coordinator", "--resume", str(run_dir), "--bind", address]
        with running(*again, cwd=folder) as second:
            ended = finish(second)
        assert finish(workers).code == 0
    assert ended.code == 0, ended.err
    assert ended.digest == alone("Chars", folder)
    assert read(run_dir)["term"] == 2


def test_a_checkpoint_can_be_asked_for(folder: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    settings = ["--set", "checkpoint_every=none", "--set", "keep_best=0", "--set", "epochs=400"]
    command = ["run", f"{JOBS}:Cnn", "--workers", "1", "--run-dir", str(run_dir), *settings]
    with running(*command, cwd=folder) as process:
        until(lambda: steps(run_dir) >= 2, "some steps")
        asked = dtrain("checkpoint", str(run_dir), cwd=folder)
        until(lambda: list(run_dir.glob("checkpoints/step-*")), "a checkpoint")
        process.send_signal(signal.SIGINT)
        finish(process)
    assert asked.code == 0, asked.err
    assert "a checkpoint comes after" in asked.out


def test_an_infinite_gradient_ends_the_run_with_step_leaf_and_parameter(
    folder: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    command = ["run", f"{JOBS}:Exploding", "--workers", "2", "--run-dir", str(run_dir)]
    ended = dtrain(*command, cwd=folder)
    assert ended.code == 1
    assert "dtrain: step 2, leaf 2: the gradient of 0.weight is not finite" in ended.err
    assert read(run_dir)["result"]["steps"] == 2


def test_the_same_step_is_skipped_with_the_same_digest_for_any_workers(folder: Path) -> None:
    skipping = [f"{JOBS}:Exploding", "--set", "on_nonfinite=skip", "--set", "epochs=2"]
    one, two = (dtrain("run", *skipping, "--workers", n, cwd=folder) for n in "02")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    assert one.digest == two.digest
    assert "step 2 is skipped, the weights stay" in two.out


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_early_stop_comes_after_the_same_step_for_any_workers(
    workers: str, folder: Path
) -> None:
    early = [f"{JOBS}:Cnn", "--set", "patience=1", "--set", "epochs=60", "--set", "eval_every=2"]
    ended = dtrain("run", *early, "--workers", workers, "--json", cwd=folder)
    alone = dtrain("run", *early, "--workers", "0", "--json", cwd=folder)
    said, expected = (json.loads(each.out.splitlines()[-1]) for each in (ended, alone))
    assert (said["state"], said["steps"]) == ("finished", expected["steps"])
    assert said["steps"] < 360
    assert said["digest"] == expected["digest"]
