"""What a person, or a program, reads of a run."""

import io
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dtrain.progress import JsonConsole, Live, Plain, Quiet, console
from dtrain.records import RunInfo, StepRecord

DIGEST = "ab" * 32
INFO = RunInfo("Net", {"batch_size": 8, "micro_batches": 2}, 100, 1234, 2, {})


def step(number: int, loss: float = 0.5) -> StepRecord:
    return StepRecord(number, 0, loss, 8.0, 0.1, 0.5, 8, 2, {}, {"accuracy": 0.75})


def result(**changes: Any) -> dict[str, Any]:
    known = {"job": "Net", "state": "finished", "steps": 100, "epochs": 1, "loss": 0.25}
    known |= {"eval": {"loss": 0.5}, "digest": DIGEST, "seconds": 2.0, "workers": 2}
    return {**known, "samples_per_second": 400.0, "run_dir": "runs/net", **changes}


def ticking(*times: float) -> Iterator[float]:
    yield from times


def test_the_last_line_of_a_run_is_its_digest(capsys: pytest.CaptureFixture[str]) -> None:
    console().finished(result())
    assert capsys.readouterr().out.splitlines()[-1] == f"digest {DIGEST}"


def test_a_quiet_run_prints_its_digest_alone(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = console(quiet=True)
    quiet.started(INFO)
    quiet.step(step(0), 16.0)
    quiet.evaluated(0, {"loss": 0.5})
    quiet.line("join worker=w0")
    quiet.finished(result())
    assert capsys.readouterr() == (f"digest {DIGEST}\n", "")


def test_a_failed_run_has_no_digest_line() -> None:
    Quiet(stream := io.StringIO()).finished(result(state="failed"))
    assert stream.getvalue() == ""


def test_json_leaves_standard_output_to_the_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    js = console(json=True)
    js.started(INFO)
    js.step(step(0), 16.0)
    js.line("join worker=w0")
    js.finished(result())
    said = capsys.readouterr()
    assert json.loads(said.out) == result()
    assert "join worker=w0" in said.err


def test_json_and_quiet_together_say_nothing_but_the_object(
    capsys: pytest.CaptureFixture[str],
) -> None:
    js = console(json=True, quiet=True)
    js.started(INFO)
    js.line("join worker=w0")
    js.finished(result())
    assert capsys.readouterr() == (json.dumps(result()) + "\n", "")


def test_a_loss_that_is_no_number_is_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    JsonConsole(Quiet(io.StringIO())).finished(result(loss=float("nan")))
    assert json.loads(capsys.readouterr().out)["loss"] is None


def test_plain_lines_of_steps_are_a_second_apart() -> None:
    times = ticking(10.0, 10.0, 10.4, 10.9, 11.0, 11.0)
    plain = Plain(stream := io.StringIO(), lambda: next(times))
    for number in range(4):
        plain.step(step(number), 16.0)
    assert re.findall(r"^step (\d+)", stream.getvalue(), re.MULTILINE) == ["1", "4"]


def test_a_step_is_told_with_loss_logs_speed_and_workers() -> None:
    plain = Plain(stream := io.StringIO())
    plain.started(INFO)
    plain.step(step(0), 1234.5)
    last = stream.getvalue().splitlines()[-1]
    assert last == "step 1/100: loss 0.5000, accuracy 0.7500, 1,234 samples/s, 2 workers"


def test_every_evaluation_is_told() -> None:
    plain = Plain(stream := io.StringIO())
    for number in range(3):
        plain.evaluated(number, {"loss": 0.5})
    assert stream.getvalue().count("eval loss 0.5000\n") == 3


def test_what_follows_the_first_line_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console().line("failed worker=w0\nTraceback\nValueError: 3")
    assert capsys.readouterr() == ("failed worker=w0\n", "Traceback\nValueError: 3\n")


class Terminal(io.StringIO):
    """Text that claims to be a terminal's."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_live_line_and_the_digest_below_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    live = Live(stream := Terminal())
    live.started(INFO)
    live.step(step(99), 16.0)
    live.line("join worker=w0")
    live.finished(result())
    text = stream.getvalue()
    assert "100/100" in text
    assert "\x1b[?25h" in text  # the cursor is given back
    assert text.splitlines()[-1] == f"digest {DIGEST}"


def test_a_reader_that_has_gone_away_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        shown = Plain(stream)
        for _ in range(3):
            shown.line("a line")
