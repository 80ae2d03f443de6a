"""From Python: train, load, main, and what `import dtrain` costs."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import nn, optim
from dtrain.data import TensorDataset
from dtrain.digest import digest
from dtrain.jobfile import JobSpec
from dtrain.jobfile import load as load_class
from dtrain.nn import functional as F
from dtrain.rundir import RunDir

ROOT = Path(__file__).resolve().parents[2]
SOURCE = """
import dtrain
import numpy as np
from dtrain import nn, optim
from dtrain.data import TensorDataset
from dtrain.nn import functional as F
from {helper} import size

class Line(dtrain.Job):
    batch_size: int = 4
    micro_batches: int = 2
    def model(self):
        return nn.Linear(size(), 1)
    def optimizer(self, model):
        return optim.SGD(model.parameters(), lr=0.1)
    def train_data(self):
        x = dtrain.tensor(np.arange(8 * size(), dtype="float32").reshape(8, -1) / 10)
        return TensorDataset(x, x.sum(1, keepdim=True))
    def loss(self, model, batch):
        x, y = batch
        return F.mse_loss(model(x), y)
"""
GUARDED = '\nif __name__ == "__main__":\n    dtrain.main(Line)\n'


class Line(dtrain.Job):
    epochs: int = 2
    batch_size: int = 4
    micro_batches: int = 2
    event: str = "none"  # what happens in the loss of step 2

    def model(self) -> nn.Module:
        return nn.Linear(3, 1)

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.SGD(model.parameters(), lr=0.1)

    def train_data(self) -> Any:
        x = dtrain.tensor(np.arange(24, dtype="float32").reshape(8, 3) / 10)
        return TensorDataset(x, x.sum(1, keepdim=True))

    def loss(self, model: nn.Module, batch: Any) -> dtrain.Tensor:
        if self.step == 2 and self.event == "raises":
            raise ValueError("not today")
        if self.step == 2 and self.event == "exits":
            sys.exit(3)
        if self.step == 2 and self.event != "none":
            signal.raise_signal(signal.Signals[self.event])
        x, y = batch
        return F.mse_loss(model(x), y)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def write(path: Path, **words: str) -> Path:
    """A job in a file, with a helper beside it under a name that no other test has."""
    helper = f"{path.stem}_helper"
    path.with_name(f"{helper}.py").write_text("def size():\n    return 3\n")
    path.write_text(SOURCE.format(helper=helper) + words.get("end", GUARDED))
    return path


def run_json(folder: str) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(Path(folder, "run.json").read_text())
    return run


def test_the_result_is_what_the_run_directory_says() -> None:
    result = dtrain.train(Line(), run_dir="r")
    said = run_json("r")["result"]
    assert (result.digest, result.steps, result.eval) == (said["digest"], 4, {})
    assert [line["step"] for line in result.history] == [0, 1, 2, 3]


def test_the_model_of_the_result_has_the_final_weights() -> None:
    result = dtrain.train(Line(), run_dir="r")
    state = {name: value.numpy() for name, value in result.model.state_dict().items()}
    assert digest(state) == result.digest


def test_the_same_job_gives_the_same_digest_again() -> None:
    assert dtrain.train(Line()).digest == dtrain.train(Line()).digest


def test_a_class_in_place_of_a_job_is_told_how_to_write_it() -> None:
    with pytest.raises(dtrain.JobError, match=r"train\(Line\(\)\)"):
        dtrain.train(Line)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [-1, 1.5, True, "2"])
def test_workers_is_a_count(workers: Any) -> None:
    with pytest.raises(dtrain.UserError, match="workers must be an integer"):
        dtrain.train(Line(), workers=workers)


def test_a_job_of_a_function_cannot_have_workers() -> None:
    class Inner(Line):
        pass

    with pytest.raises(dtrain.JobError, match="top level"):
        dtrain.train(Inner(), workers=1)


def test_a_job_of_a_function_trains_in_this_process() -> None:
    class Inner(Line):
        pass

    assert dtrain.train(Inner()).digest == dtrain.train(Line()).digest


def test_a_full_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "mine").touch()
    with pytest.raises(dtrain.RunDirError, match="not empty"):
        dtrain.train(Line(), run_dir="r")


def test_a_job_that_cannot_start_leaves_no_directory(tmp_path: Path) -> None:
    with pytest.raises(dtrain.JobError):
        dtrain.train(dtrain.Job(), run_dir="r")
    assert not (tmp_path / "r").exists()


def test_sys_exit_in_the_loss_fails_the_run() -> None:
    with pytest.raises(dtrain.LeafError, match="step 2, leaf 0: SystemExit: 3"):
        dtrain.train(Line(event="exits"), run_dir="r")
    assert run_json("r")["state"] == "failed"


def test_a_failed_run_has_the_weights_of_its_last_step(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(dtrain.LeafError):
        dtrain.train(Line(event="raises"), run_dir="r")
    assert "digest" not in capsys.readouterr().out
    result, two_steps = run_json("r")["result"], dtrain.train(Line(max_steps=2), run_dir="two")
    assert (result["steps"], result["digest"]) == (2, two_steps.digest)
    assert digest(RunDir.existing("r").read_final().weights) == two_steps.digest


def test_a_mistake_that_shows_when_work_has_started_is_a_failed_run() -> None:
    class Late(Line):
        def order(self, n: int, epoch: int) -> Any:
            return range(n) if epoch == 0 else [0]

    with pytest.raises(dtrain.RunError, match=r"step 2, leaf 0: Late\.order must return 8 indices"):
        dtrain.train(Late(), run_dir="r")
    assert (run_json("r")["state"], run_json("r")["result"]["steps"]) == ("failed", 2)


def test_an_exception_in_the_loss_fails_the_run_and_is_raised() -> None:
    with pytest.raises(dtrain.LeafError, match="not today"):
        dtrain.train(Line(event="raises"), run_dir="r")
    run = run_json("r")
    assert run["state"] == "failed"
    assert "not today" in run["result"]["error"]


def test_ctrl_c_ends_the_run_after_its_step_with_the_weights_written() -> None:
    with pytest.raises(KeyboardInterrupt):
        dtrain.train(Line(event="SIGINT", micro_batches=1), run_dir="r")
    assert (run_json("r")["state"], run_json("r")["result"]["steps"]) == ("stopped", 3)
    assert Path("r/final.safetensors").is_file()


def test_sigterm_ends_the_run_with_the_exit_code_of_the_shell() -> None:
    with pytest.raises(SystemExit) as end:
        dtrain.train(Line(event="SIGTERM", micro_batches=1))
    assert end.value.code == 128 + signal.SIGTERM


def test_signals_have_their_handlers_back_after_a_run() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    dtrain.train(Line())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_run_works_in_a_thread_that_may_not_touch_signals() -> None:
    digests: list[str] = []
    thread = threading.Thread(target=lambda: digests.append(dtrain.train(Line()).digest))
    thread.start()
    thread.join(timeout=60)
    assert digests == [dtrain.train(Line()).digest]


def test_portable_numerics_must_be_known_before_numpy_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dtrain.numerics.pins", lambda *_: {"OPENBLAS_CORETYPE": "Haswell"})
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    with pytest.raises(dtrain.SettingError, match='OPENBLAS_CORETYPE="Haswell"'):
        dtrain.train(Line(numerics="portable"))


def test_load_gives_the_model_of_a_run(tmp_path: Path) -> None:
    job = load_class(JobSpec(str(write(tmp_path / "loaded.py"))))()
    result = dtrain.train(job)
    loaded = dtrain.load(result.run_dir)
    for name, value in loaded.state_dict().items():
        assert np.array_equal(value.numpy(), result.model.state_dict()[name].numpy())


def test_load_builds_the_model_as_it_was_when_the_run_was_made(tmp_path: Path) -> None:
    job = load_class(JobSpec(str(write(tmp_path / "changed.py"))))()
    run = dtrain.train(job).run_dir
    (tmp_path / "changed_helper.py").write_text("def size():\n    return 99\n")
    assert dtrain.load(run).state_dict()["weight"].shape == (1, 3)


def test_load_leaves_the_modules_that_were_there_in_their_places(tmp_path: Path) -> None:
    job = load_class(JobSpec(str(write(tmp_path / "kept.py"))))()
    before = {name: sys.modules[name] for name in ("kept", "kept_helper")}
    dtrain.load(dtrain.train(job).run_dir)
    assert {name: sys.modules[name] for name in before} == before


def test_load_falls_back_to_the_files_where_there_are_no_copies(tmp_path: Path) -> None:
    job = load_class(JobSpec(str(write(tmp_path / "moved.py"))))()
    run = dtrain.train(job).run_dir
    (run / "source").rename(tmp_path / "elsewhere")
    assert dtrain.load(run).state_dict()["weight"].shape == (1, 3)


def test_load_says_what_to_do_where_the_job_has_no_file() -> None:
    class Inner(Line):
        pass

    run = dtrain.train(Inner()).run_dir
    with pytest.raises(dtrain.RunDirError, match="load_state_dict"):
        dtrain.load(run)


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("best", "no checkpoint of it was evaluated"),
        ("ema", "ema"),
        ("newest", "must be 'final', 'best', 'ema' or a number of steps"),
        (3, "no checkpoint after 3 steps; there: 4"),
    ],
)
def test_weights_that_are_not_there_are_told_by_name(which: str | int, words: str) -> None:
    with pytest.raises(dtrain.RunDirError, match=words):
        dtrain.load(dtrain.train(Line()).run_dir, which)


def python(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        timeout=60,
    )


def test_a_script_with_main_takes_the_options_of_run(tmp_path: Path) -> None:
    script = write(tmp_path / "script.py")
    said = python(script, "--workers", "0", "--set", "max_steps=1", "--quiet")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("digest ")


@pytest.mark.parametrize("call", ["dtrain.main(Line)", "dtrain.train(Line())"])
def test_a_script_that_trains_when_it_is_imported_is_told_where_to_put_the_call(
    tmp_path: Path, call: str
) -> None:
    script = write(tmp_path / "unguarded.py", end=f"\n{call}\n")
    said = python("-m", "dtrain", "run", script)
    assert said.returncode == 2
    assert "__main__" in said.stderr.splitlines()[-1]


def test_import_dtrain_loads_none_of_what_only_runs_need() -> None:
    heavy = "{'zmq', 'click', 'rich', 'msgpack', 'safetensors', 'torch'}"
    said = python("-c", f"import sys, dtrain; print(sorted({heavy} & set(sys.modules)))")
    assert said.stdout == "[]\n", said.stderr


def test_no_module_has_the_name_of_something_else_that_dtrain_offers() -> None:
    named = {file.stem for file in Path(dtrain.__file__).parent.iterdir()} - {"__init__"}
    assert not named & set(dtrain.LATER)
    assert not {name for name in named & set(dtrain.__all__) if callable(getattr(dtrain, name))}
