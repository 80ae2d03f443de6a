"""What the command line does with a run after the fact, and how it begins one from another."""

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dtrain import numerics
from dtrain.cli.main import entry
from dtrain.rundir import RunDir
from tests.repo.modules import ROOT
from tests.user.test_resume import FILE

Call = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Run a command line in this process, beside net.py; exit code, lines, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name, value in numerics.pins(1, "native").items():
        monkeypatch.setenv(name, value)  # so that no command starts this process again
    Path("net.py").write_text(textwrap.dedent(FILE))

    def run(*argv: object) -> tuple[int, list[str], str]:
        capfd.readouterr()
        code = entry([str(argument) for argument in argv])
        out, err = capfd.readouterr()
        return code, out.splitlines(), err

    return run


def alone(call: Call, folder: str, *more: str) -> dict[str, Any]:
    """A run in this process; its result."""
    code, _, err = call("run", "net.py", "--workers", 0, "--run-dir", folder, *more)
    assert code == 0, err
    result: dict[str, Any] = RunDir(folder).read_run()["result"]
    return result


def test_eval_gives_the_metrics_that_the_run_recorded(call: Call) -> None:
    result = alone(call, "one")
    code, [line], _ = call("eval", "one", "--json")
    assert code == 0
    assert json.loads(line) == {"which": "final", "steps": 20, "eval": result["eval"]}


@pytest.mark.parametrize("which", ["best", "ema", "20"])
def test_eval_knows_other_weights_of_the_run(which: str, call: Call) -> None:
    alone(call, "one")
    code, [line], _ = call("eval", "one", "--which", which, "--json")
    assert code == 0
    assert sorted(json.loads(line)["eval"]) == ["accuracy", "loss"]


def test_eval_works_from_the_copies_in_the_run_directory(call: Call) -> None:
    alone(call, "one")
    Path("net.py").unlink()
    code, lines, _ = call("eval", "one")
    assert code == 0
    assert [line.split()[0] for line in lines] == ["accuracy", "loss"]


def test_eval_without_a_best_says_so(call: Call) -> None:
    alone(call, "one", "--set", "max_steps=2", "--set", "eval_every=2", "--set", "keep_best=0")
    code, _, err = call("eval", "one", "--which", "7")
    assert (code, err) == (2, "dtrain: one: no checkpoint after 7 steps; there: 2\n")


@pytest.mark.parametrize("more", [(), ("--stop-after", "7"), ("--set", "patience=1")])
def test_a_run_is_reproduced_from_its_own_copies(more: tuple[str, ...], call: Call) -> None:
    result = alone(call, "one", *more)
    Path("net.py").write_text("this is not the job any more")
    code, lines, err = call("reproduce", "one", "--workers", 0, "--run-dir", "two")
    assert code == 0, err
    assert lines[-1] == f"reproduced one: {result['steps']} steps, the same digest"


def test_a_run_from_given_weights_is_reproduced_from_the_same(call: Call) -> None:
    alone(call, "first", "--stop-after", "2")
    alone(call, "one", "--init", "first/final.safetensors")
    Path("first/final.safetensors").unlink()
    code, _, err = call("reproduce", "one", "--workers", 0)
    assert code == 0, err


def test_a_run_that_comes_out_otherwise_is_not_reproduced(call: Call) -> None:
    alone(call, "one", "--stop-after", "3")
    source = Path("one/source/net.py")
    source.write_text(source.read_text().replace("lr=0.05", "lr=0.06"))
    code, _, err = call("reproduce", "one", "--workers", 0)
    assert code == 1
    assert "not reproduced: one has digest" in err


def test_a_run_that_has_not_ended_cannot_be_reproduced(call: Call) -> None:
    alone(call, "one", "--stop-after", "3")
    RunDir("one").update_run(result=None, state="running")
    code, _, err = call("reproduce", "one")
    assert code == 2
    assert "its state is 'running'" in err


def test_scale_batch_says_what_it_changes(call: Call) -> None:
    arguments = ("--scale-batch", 2, "--set", "lr_scheduler_interval=epoch")
    code, lines, err = call("run", "net.py", "--workers", 0, *arguments)
    assert code == 0, err
    assert any(
        line.startswith(
            "scale_batch=2: batch_size 8 -> 16, micro_batches 2 -> 4, learning rates x 1.414 "
            "(sqrt, for AdamW), reached after 2 steps"
        )
        for line in lines
    )


def test_a_scaled_run_goes_on_scaled(call: Call) -> None:
    whole = alone(call, "whole", "--scale-batch", "2")
    alone(call, "one", "--scale-batch", "2", "--stop-after", "3")
    code, _, err = call("run", "--resume", "one", "--workers", 0)
    assert code == 0, err
    assert RunDir("one").read_run()["result"]["digest"] == whole["digest"]


def test_a_stopped_run_prints_the_command_that_goes_on(call: Call) -> None:
    code, lines, _ = call("run", "net.py", "--workers", 0, "--run-dir", "one", "--stop-after", "3")
    assert code == 0
    assert "to go on: dtrain run --resume one" in lines


def test_resume_last_goes_on_with_the_newest(call: Call) -> None:
    code, _, _ = call("run", "net.py", "--workers", 0, "--stop-after", "3")
    code, lines, err = call("run", "--resume", "last", "--workers", 0)
    assert code == 0, err
    assert "resumed at step 3 of 20, term 2" in lines


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("run", "--resume", "last"), "there is no run in"),
        (("run", "--resume", "nowhere"), "nowhere is no directory"),
        (("run", "net.py", "--resume", "last", "--run-dir", "x"), "leave out either one"),
        (("run", "net.py", "--init", "net.py"), "no safetensors file"),
        (("eval", "nowhere"), "nowhere is no directory"),
        (("reproduce", "nowhere"), "nowhere is no directory"),
        (("checkpoint", "nowhere/x"), "no run directory nowhere/x"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(argv: tuple[str, ...], words: str, call: Call) -> None:
    code, _, err = call(*argv)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
