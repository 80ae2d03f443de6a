"""What a run tells its directory and its console."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dtrain.digest import digest
from dtrain.progress import Silent
from dtrain.recorder import MAX_SECONDS, Recorder
from dtrain.records import RunInfo, StepRecord
from dtrain.rundir import RunDir

DIGEST = "d" * 64


class Heard(Silent):
    """A console that remembers its lines and the result."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.result: Mapping[str, Any] = {}

    def line(self, text: str) -> None:
        self.lines.append(text)

    def finished(self, result: Mapping[str, Any]) -> None:
        self.result = result


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def info(**changes: Any) -> RunInfo:
    fields: dict[str, Any] = {
        "job": "Net",
        "settings": {"seed": 5, "max_seconds": None},
        "steps": 4,
        "parameters": 10,
        "workers": 2,
        "fingerprint": {"numpy": "2"},
    }
    return RunInfo(**{**fields, **changes})


def record(step: int, **changes: Any) -> StepRecord:
    fields: dict[str, Any] = {"epoch": step // 2, "loss": 1.5, "weight": 8.0, "lr": 0.1}
    fields |= {"seconds": 0.5, "samples": 8, "workers": 2}
    return StepRecord(step=step, **{**fields, **changes})


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_start_is_written_with_its_seed_and_without_what_is_not_known(tmp_path: Path) -> None:
    run_dir = RunDir.create(tmp_path / "r", "Net")
    run_dir.update_run(spec="net.py:Net")
    Recorder(run_dir, Silent()).started(info())
    run = run_dir.read_run()
    assert (run["state"], run["seed"], run["workers"]) == ("running", 5, 2)
    assert run["spec"] == "net.py:Net"


def test_a_start_keeps_the_machine_and_copies_of_the_jobs_files(tmp_path: Path) -> None:
    job = tmp_path / "net.py"
    job.write_text("import helper\n")
    (tmp_path / "helper.py").write_text("x = 1\n")
    run_dir = RunDir.create(tmp_path / "r", "Net")
    Recorder(run_dir, Silent()).started(info(spec=f"{job}:Net"))
    assert run_dir.read_run()["machine"]["numpy"] == np.__version__
    assert run_dir.read_run()["git"] is None
    assert sorted(file.name for file in run_dir.source.iterdir()) == ["helper.py", "net.py"]


def test_a_step_is_a_line_with_what_the_job_logged_under_its_own_names(tmp_path: Path) -> None:
    recorder = Recorder(RunDir.create(tmp_path / "r", "Net"), Silent())
    recorder.step(record(0, logs={"accuracy": 0.5}, phases={"compute": 0.25}))
    [line] = lines(tmp_path / "r" / "metrics.jsonl")
    assert (line["step"], line["accuracy"], line["phases"]) == (0, 0.5, {"compute": 0.25})
    assert recorder.history == [line]


def test_an_evaluation_is_a_line_with_the_digest(tmp_path: Path) -> None:
    recorder = Recorder(RunDir.create(tmp_path / "r", "Net"), Silent())
    recorder.evaluated(3, {"loss": 0.5}, DIGEST)
    expected = {"step": 3, "eval": {"loss": 0.5}, "digest": DIGEST}
    assert lines(tmp_path / "r" / "metrics.jsonl") == [expected]


def test_an_event_is_written_and_said_in_one_line(tmp_path: Path) -> None:
    heard = Heard()
    Recorder(RunDir.create(tmp_path / "r", "Net"), heard).event("join", worker="w0", pid=7)
    [line] = lines(tmp_path / "r" / "events.jsonl")
    assert (line["event"], line["worker"], line["pid"]) == ("join", "w0", 7)
    assert heard.lines == ["join worker=w0 pid=7"]


def test_an_event_with_a_traceback_shows_it_below_the_line() -> None:
    heard = Heard()
    Recorder(None, heard).event("failed", worker="w0", trace="line 1\nline 2\n")
    assert heard.lines == ["failed worker=w0\nline 1\nline 2"]


def test_the_result_is_what_the_last_line_of_json_promises() -> None:
    clock, heard = Clock(), Heard()
    recorder = Recorder(None, heard, clock)
    recorder.started(info())
    recorder.step(record(0))
    recorder.step(record(1, loss=0.25))
    recorder.evaluated(1, {"accuracy": 0.75}, DIGEST)
    clock.now += 3
    result = recorder.finished("finished", DIGEST)
    assert heard.result == result
    assert result == {
        "job": "Net",
        "state": "finished",
        "steps": 2,
        "epochs": 1,
        "loss": 0.25,
        "eval": {"accuracy": 0.75},
        "eval_steps": 2,
        "digest": DIGEST,
        "seconds": 3.0,
        "samples_per_second": 16.0,
        "workers": 2,
        "run_dir": None,
    }


def test_the_end_writes_the_weights_and_then_the_state(tmp_path: Path) -> None:
    run_dir = RunDir.create(tmp_path / "r", "Net")
    recorder = Recorder(run_dir, Silent())
    recorder.started(info())
    weights = {"b": np.ones(3), "a": np.array(2.0)}
    result = recorder.finished("stopped", digest(weights), weights, steps=1)
    assert run_dir.read_run()["state"] == "stopped"
    assert run_dir.read_run()["result"] == result
    assert list(run_dir.read_final().weights) == ["b", "a"]


def test_a_failed_run_keeps_its_error_and_has_no_weights(tmp_path: Path) -> None:
    run_dir = RunDir.create(tmp_path / "r", "Net")
    result = Recorder(run_dir, Silent()).finished("failed", None, error="it broke")
    assert (result["error"], result["digest"], result["steps"]) == ("it broke", None, 0)
    assert not (tmp_path / "r" / "final.safetensors").exists()


def test_nothing_asks_for_a_stop_at_first() -> None:
    recorder = Recorder(None, Silent())
    recorder.started(info())
    assert recorder.stop_requested() is None


def test_the_first_reason_to_stop_is_the_one_that_counts() -> None:
    recorder = Recorder(None, Silent())
    recorder.request_stop("SIGINT")
    recorder.request_stop("SIGTERM")
    assert recorder.stop_requested() == "SIGINT"


def test_max_seconds_stops_a_run_when_they_have_passed() -> None:
    clock = Clock()
    recorder = Recorder(None, Silent(), clock)
    recorder.started(info(settings={"max_seconds": 2.0}))
    clock.now += 1.5
    assert recorder.stop_requested() is None
    clock.now += 0.5
    assert recorder.stop_requested() == MAX_SECONDS
