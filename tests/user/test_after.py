"""What the command line does with a run after the fact, and how it begins one from another."""

import importlib
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dtrain import numerics
from dtrain.cli.main import entry
from dtrain.loading import weights_of
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


def killed_after(call: Call, steps: int) -> RunDir:
    """A run that was stopped, resumed, and killed when it had made these steps."""
    alone(call, "one", "--stop-after", "3")
    code, _, err = call("run", "--resume", "one", "--workers", 0, "--stop-after", steps)
    assert code == 0, err
    run = RunDir("one")
    run.remove_final()
    run.update_run(result=None, state="running")
    return run


@pytest.mark.parametrize("which", ["final", "ema"])
def test_of_a_killed_run_the_newest_checkpoint_is_evaluated(which: str, call: Call) -> None:
    killed_after(call, 12)
    code, [line], err = call("eval", "one", "--which", which, "--json")
    assert code == 0, err
    assert json.loads(line)["steps"] == 12


LAYERS = "return nn.Sequential(nn.Linear(3, self.hidden)"
TIED = """model = self._untied()
        model[1].weight = model[0].weight
        return model

    def _untied(self):
        return nn.Sequential(nn.Linear(3, 3), nn.Linear(3, self.hidden)"""


@pytest.mark.parametrize("layers", [LAYERS, TIED], ids=["all", "tied"])
def test_the_average_of_a_checkpoint_is_that_of_an_end(layers: str, call: Call) -> None:
    rewrite(LAYERS, layers)
    alone(call, "one", "--stop-after", "7", "--set", "hidden=3")
    run = RunDir("one")
    expected, _ = weights_of(run, "ema")
    (run.path / "ema.safetensors").unlink()
    found, _ = weights_of(run, "ema")
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_run_without_an_average_says_so(call: Call) -> None:
    alone(call, "one", "--stop-after", "1", "--set", "ema=none")
    code, _, err = call("eval", "one", "--which", "ema")
    assert (code, err) == (2, "dtrain: one keeps no average: its job has no ema\n")


def test_the_digest_of_a_run_that_goes_on_is_not_there_yet(call: Call) -> None:
    killed_after(call, 4)
    code, _, err = call("digest", "one")
    assert code == 2
    assert "its state is 'gone: its process ended without a word', there is no digest" in err


@pytest.mark.parametrize(
    "argv",
    [("status", "x"), ("stop", "x"), ("checkpoint", "x"), ("digest", "x"), ("eval", "x"),
     ("reproduce", "x"), ("run", "--resume", "x"), ("coordinator", "--resume", "x")],
    ids=lambda argv: argv[0],
)  # fmt: skip
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "it is no record of a run"),
        ("null", "it is no record of a run"),
        ("{}", "it has no settings"),
        ('{"settings": 3}', "its settings should be an object"),
        ('{"settings": {}, "spec": 3}', "its spec should be a text"),
        ('{"settings": {}, "result": "x"}', "its result should be an object"),
        ('{"settings": {}, "resumed": {}}', "its resumed should be a list"),
        ("[" * 100_000, "maximum recursion depth"),
    ],
    ids=lambda text: text[:28],
)
def test_a_run_json_that_is_no_record_is_one_line(
    argv: tuple[str, ...], content: str, words: str, call: Call
) -> None:
    Path("x").mkdir()
    Path("x/run.json").write_text(content)
    code, _, err = call(*argv)
    assert code == 2
    assert err.startswith(f"dtrain: x/run.json is damaged: {words}")


def resume(call: Call, *more: str) -> None:
    code, _, err = call("run", "--resume", "one", "--workers", 0, *more)
    assert code == 0, err


def rewrite(old: str, new: str, file: str = "net.py") -> None:
    """Another job than the one that is there."""
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))


def test_a_run_in_parts_is_reproduced_in_one(call: Call) -> None:
    alone(call, "one", "--set", "max_seconds=1e-9")
    resume(call)
    resume(call)
    code, lines, err = call("reproduce", "one", "--workers", 0)
    assert code == 0, err
    assert lines[-1] == "reproduced one: 3 steps, the same digest"


def test_a_run_that_was_given_more_patience_is_reproduced(call: Call) -> None:
    early = alone(call, "one", *(f"--set={s}" for s in ("patience=1", "epochs=50", "ema=none")))
    assert early["steps"] < 250
    steps = early["steps"] + 7
    resume(call, "--set", "patience=9", "--stop-after", str(steps))
    code, lines, err = call("reproduce", "one", "--workers", 0)
    assert code == 0, err
    assert lines[-1] == f"reproduced one: {steps} steps, the same digest"


def test_a_run_whose_plan_grew_under_a_schedule_is_not_reproduced(call: Call) -> None:
    alone(call, "one", "--stop-after", "7")
    resume(call, "--set", "epochs=5")
    code, _, err = call("reproduce", "one")
    assert code == 2
    assert "one was resumed at step 7 with a longer plan (epochs 4 -> 5)" in err
    assert err.count("\n") == 1


def test_without_a_schedule_a_plan_may_have_grown(call: Call) -> None:
    rewrite("def lr_scheduler", "def no_scheduler")
    alone(call, "one")
    resume(call, "--set", "epochs=5")
    code, lines, err = call("reproduce", "one", "--workers", 0)
    assert code == 0, err
    assert lines[-1] == "reproduced one: 25 steps, the same digest"


def test_a_scaled_batch_warms_up_by_the_plan_too(call: Call) -> None:
    rewrite("def lr_scheduler", "def no_scheduler")
    alone(call, "one", "--scale-batch", "2", "--stop-after", "2")
    resume(call, "--set", "epochs=5")
    code, _, err = call("reproduce", "one")
    assert code == 2
    assert "with a longer plan (epochs 4 -> 5)" in err


@pytest.mark.parametrize("flags", ["--allow-drift", "--allow-change job"])
def test_a_run_that_went_on_as_another_is_not_reproduced(flags: str, call: Call) -> None:
    alone(call, "one", "--stop-after", "7")
    resume(call, *flags.split())
    code, _, err = call("reproduce", "one")
    assert code == 2
    assert f"one was resumed at step 7 with {flags}: not all of it was computed" in err


def test_a_run_without_a_step_is_not_reproduced(call: Call) -> None:
    result = alone(call, "one", "--stop-after", "1")
    RunDir("one").update_run(result={**result, "steps": 0})
    code, _, err = call("reproduce", "one")
    words = "one ended before its first step: there is nothing to reproduce"
    assert (code, err) == (2, f"dtrain: {words}\n")


def test_a_run_that_ends_earlier_is_told_from_one_with_other_bits(call: Call) -> None:
    alone(call, "one")
    rewrite("_data(40)", "_data(8)", "one/source/net.py")
    code, _, err = call("reproduce", "one", "--workers", 0, "--run-dir", "two")
    words = "not reproduced: one made 20 steps, two was over after 4"
    assert (code, err) == (1, f"dtrain: {words}\n")


@pytest.fixture
def packed(call: Call, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """A run in `one` of a job in a package's __init__, which was changed afterwards."""
    Path("packed/sub").mkdir(parents=True)
    Path("packed/__init__.py").touch()
    job = Path("packed/sub/__init__.py")
    Path("net.py").rename(job)
    importlib.invalidate_caches()
    code, _, err = call("run", "packed.sub:Net", "--workers", 0, "--run-dir", "one")
    assert code == 0, err
    job.write_text("this is not the job any more")
    forget("packed")
    yield call
    forget("packed")


def forget(package: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def test_a_job_in_a_packages_init_is_evaluated_from_its_copy(packed: Call) -> None:
    code, lines, err = packed("eval", "one")
    assert code == 0, err
    assert [line.split()[0] for line in lines] == ["accuracy", "loss"]


def test_a_job_in_a_packages_init_is_reproduced_from_its_copy(packed: Call) -> None:
    code, lines, err = packed("reproduce", "one", "--workers", 0)
    assert code == 0, err
    assert lines[-1] == "reproduced one: 20 steps, the same digest"


def test_workers_reproduce_from_the_copy_too(packed: Call) -> None:
    command = [sys.executable, "-m", "dtrain", "reproduce", "one", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("reproduced one: 20 steps, the same digest\n")


@pytest.mark.parametrize("spec", ["net.py", "net.py:Net"])
def test_a_run_resumed_from_another_folder_asks_for_its_job(
    spec: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, _ = call("run", spec, "--workers", 0, "--run-dir", "one", "--stop-after", "3")
    assert code == 0
    recorded = Path("one/run.json").read_bytes()
    Path("other").mkdir()
    monkeypatch.chdir("other")
    code, _, err = call("run", "--resume", "../one")
    assert code == 2
    assert f"there is no file net.py in {Path.cwd()}" in err
    assert "name the job: dtrain run PATH/net.py:Net --resume ../one" in err
    assert Path("../one/run.json").read_bytes() == recorded
    code, _, err = call("run", "../net.py", "--resume", "../one", "--workers", 0)
    assert code == 0, err


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


def test_a_run_whose_process_was_killed_is_told_as_such(call: Call) -> None:
    alone(call, "one", "--stop-after", "6")
    RunDir("one").update_run(result=None, state="running")
    code, lines, _ = call("status", "one")
    assert code == 0
    assert [line.split("  ")[-1].strip() for line in lines] == [
        "gone: its process ended without a word",
        "after 6 steps",
        "dtrain run --resume one",
    ]


def test_a_plan_that_the_schedule_cannot_follow_leaves_the_run_as_it_was(call: Call) -> None:
    text = Path("net.py").read_text()
    cosine = "lr_scheduler.CosineAnnealingLR(optimizer, self.total_steps)"
    Path("net.py").write_text(
        text.replace(cosine, "lr_scheduler.OneCycleLR(optimizer, 0.1, self.total_steps)")
    )
    alone(call, "one", "--set", "epochs=2")
    before = RunDir("one").read_run()
    code, _, err = call("run", "--resume", "one", "--workers", 0, "--set", "epochs=3")
    assert code == 2
    assert "this schedule was made for the shorter plan and cannot go on" in err
    assert RunDir("one").read_run() == before


def test_an_early_stop_says_why_at_the_end(call: Call) -> None:
    settings = ("--set", "patience=1", "--set", "epochs=60")
    _, lines, _ = call("run", "net.py", "--workers", 0, *settings)
    assert any(line.startswith("no better loss than") for line in lines)


def test_a_reproduction_does_not_become_the_last_run(call: Call) -> None:
    call("run", "net.py", "--workers", 0, "--stop-after", "2")
    [mine] = Path("runs").iterdir()
    code, _, err = call("reproduce", mine, "--workers", 0)
    assert code == 0, err
    assert [*Path("runs").iterdir()] == [mine]


def test_the_command_that_goes_on_names_the_data(call: Call, tmp_path: Path) -> None:
    _, lines, _ = call("run", "net.py", "--workers", 0, "--stop-after", "2", "--data", tmp_path)
    [hint] = [line for line in lines if line.startswith("to go on:")]
    assert hint.endswith(f"--data {tmp_path}")
