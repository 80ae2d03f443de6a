"""However a run ends, it ends: in time, with the right code and state, and everybody knows."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.service.processes import DIGITS, dtrain, finish, options, read, running, until

HEAD = "from digits import Digits as Base\nclass Digits(Base):\n"

LATE_EXIT = """    def loss(self, model, batch):
        if self.step == 3: raise SystemExit(5)
        return super().loss(model, batch)
"""
LATE_INTERRUPT = LATE_EXIT.replace("SystemExit(5)", "KeyboardInterrupt")
EVAL_FAILS = """    def loss(self, model, batch):
        if not model.training: raise ValueError("only in evaluation")
        return super().loss(model, batch)
"""
SUMMARY_FAILS = """    def summary(self, means):
        raise ValueError("a mistake in summary")
"""
HUGE_TRACE = """    def loss(self, model, batch):
        if self.step == 3: raise ValueError("x" * 9_000_000)
        return super().loss(model, batch)
"""
SLOW_MODEL = """    def model(self):
        import pathlib, threading
        pathlib.Path("building").touch()
        for _ in range(300):  # Python, not one long call: a signal just before that is not seen
            threading.Event().wait(0.1)
        return super().model()
"""


@pytest.fixture
def job(tmp_path: Path) -> Any:
    """Writes a job file beside a copy of the digits example."""
    shutil.copy(DIGITS, tmp_path / "digits.py")

    def write(body: str) -> str:
        (tmp_path / "job.py").write_text(HEAD + body)
        return str(tmp_path / "job.py")

    return write


@pytest.mark.parametrize("body", [LATE_EXIT, LATE_INTERRUPT], ids=["SystemExit", "Interrupt"])
def test_code_that_wants_to_end_the_process_ends_the_run_with_a_reason(
    body: str, job: Any, tmp_path: Path
) -> None:
    command = ["run", job(body), "--workers", "2", "--run-dir", str(tmp_path / "run")]
    ended = dtrain(*command, cwd=tmp_path)
    assert ended.code == 1
    assert "step 3, leaf " in ended.err.splitlines()[-1]
    assert read(tmp_path / "run")["state"] == "failed"


@pytest.mark.parametrize("workers", ["2", pytest.param("0", marks=pytest.mark.slow)])
def test_a_failure_in_the_last_evaluation_is_no_finished_run(
    workers: str, job: Any, tmp_path: Path
) -> None:
    command = ["run", job(EVAL_FAILS), "--workers", workers, *options(epochs=1)]
    ended = dtrain(*command, "--run-dir", str(tmp_path / "run"), cwd=tmp_path)
    assert ended.code == 1
    assert "only in evaluation" in ended.err
    assert read(tmp_path / "run")["state"] == "failed"


@pytest.mark.parametrize("workers", ["2", pytest.param("0", marks=pytest.mark.slow)])
def test_a_failure_at_the_coordinator_ends_the_run_for_everybody(
    workers: str, job: Any, tmp_path: Path
) -> None:
    command = ["run", job(SUMMARY_FAILS), "--workers", workers, *options(epochs=1)]
    ended = dtrain(*command, "--run-dir", str(tmp_path / "run"), cwd=tmp_path)
    assert ended.code == 1
    assert "a mistake in summary" in ended.err
    assert read(tmp_path / "run")["state"] == "failed"


def test_a_traceback_of_any_length_reaches_the_console(job: Any, tmp_path: Path) -> None:
    ended = dtrain("run", job(HUGE_TRACE), "--workers", "2", cwd=tmp_path)
    assert ended.code == 1
    assert "step 3, leaf " in ended.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [
        (signal.SIGINT, 130, "2"),
        (signal.SIGTERM, 143, "0"),
        pytest.param(signal.SIGINT, 130, "0", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, "2", marks=pytest.mark.slow),
    ],
)
def test_a_signal_while_the_job_is_built_ends_at_once(
    number: signal.Signals, code: int, workers: str, job: Any, tmp_path: Path
) -> None:
    with running("run", job(SLOW_MODEL), "--workers", workers, cwd=tmp_path) as process:
        until(lambda: (tmp_path / "building").exists(), "the model")
        os.kill(process.pid, number)
        ended = finish(process, deadline_s=20)
    assert abs(ended.code) in (code, number)
    assert "Traceback" not in ended.err


def test_a_module_beside_the_job_that_is_named_like_ours_does_no_harm(
    job: Any, tmp_path: Path
) -> None:
    mine = job("    pass\n")
    for name in ("queue", "zmq", "select"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not yours')\n")
    ended = dtrain("run", mine, "--workers", "2", *options(epochs=1), cwd=tmp_path.parent)
    assert ended.code == 0, ended.err


def test_a_host_that_does_not_exist_is_one_line_at_once() -> None:
    ended = dtrain("worker", DIGITS, "--connect", "no-such-host.invalid", "--workers", "1")
    assert ended.code == 2
    [line] = ended.err.splitlines()
    assert "no-such-host.invalid" in line
