"""The command line, without worker processes: what it prints, its exit codes, every bad input."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from dtrain import numerics, pinned
from dtrain.cli.main import entry
from dtrain.cli.run import leaves_of, too_many
from dtrain.digest import digest
from dtrain.errors import RunError
from dtrain.job import Job

IMPORT_ROOT = Path(numerics.__file__).parents[1]
FEW_STEPS = ["--workers", "0", "--set", "max_steps=3", "--set", "micro_batches=2"]

HEAD = """
import itertools
import numpy as np
import dtrain
from dtrain import nn, optim
from dtrain.data import TensorDataset
from dtrain.nn import functional as F

calls = itertools.count()

class DataLoader:
    def __init__(self, data): self.data = data
    def __len__(self): return len(self.data)
    def __iter__(self): return iter(self.data)

class Impure:
    def __len__(self): return 8
    def __getitem__(self, i): return np.full(3, next(calls), np.float32), i % 2

class Odd(dtrain.Job):
    batch_size: int = 8
    micro_batches: int = 2
    hidden: int = 4
    rate: float = 0.1

    def model(self): return nn.Linear(3, 2)
    def optimizer(self, model): return optim.SGD(model.parameters(), lr=self.rate)
    def train_data(self):
        return TensorDataset(np.ones((8, 3), np.float32), np.arange(8) % 2)
    def loss(self, model, batch):
        x, y = batch
        return F.cross_entropy(model(x), y)
"""


@dataclass
class Said:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The only line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


Call = Callable[..., Said]
Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("DTRAIN_DATA", raising=False)
    for name, value in numerics.pins(1, "native").items():
        monkeypatch.setenv(name, value)  # so that no command starts this process again


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """Run a command line in this process."""

    def run(*argv: object) -> Said:
        capfd.readouterr()
        code = entry([str(argument) for argument in argv])
        return Said(code, *capfd.readouterr())

    return run


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A job's file: a job that works, and then some lines that change it."""

    def make(change: str = "") -> Path:
        file = tmp_path / "odd.py"
        file.write_text(HEAD + change)
        return file

    return make


@pytest.fixture
def finished(call: Call, write: Write) -> Path:
    """The directory of a run of three steps."""
    said = call("run", write(), *FEW_STEPS, "--set", "epochs=3", "--run-dir", "done", "--quiet")
    assert said.code == 0, said.err
    return Path("done")


# ------------------------------------------------------------------------------ as it should be


def test_a_new_job_trains_as_it_stands(call: Call) -> None:
    assert call("new", "job.py").code == 0
    said = call("run", "job.py", *FEW_STEPS, "--run-dir", "r")
    assert (said.code, said.out.splitlines()[-1].split()[0]) == (0, "digest")


def test_a_new_job_passes_its_check(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(IMPORT_ROOT))  # for its child processes
    call("new", "job.py")
    said = call("check", "job.py")
    rows = {line.split()[0]: line for line in said.out.splitlines()}
    assert said.code == 0
    assert "same bits" in rows["purity"]
    assert "4,810" in rows["parameters"]
    assert "8 leaves" in rows["steps"]
    assert "ok: 1 leaf and 8 leaves give the same mean gradient" in rows["weights"]
    assert "accuracy" in rows["evaluation"]
    assert "MiB" in rows["memory"]


def test_check_says_that_there_is_nothing_to_evaluate(
    call: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(IMPORT_ROOT))
    assert "none" in call("check", write()).out


def test_new_overwrites_nothing(call: Call, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("mine")
    said = call("new", "job.py")
    assert (said.code, (tmp_path / "job.py").read_text()) == (2, "mine")
    assert "not overwritten" in said.line


@pytest.mark.parametrize("file", ["job", "no/such/folder/job.py"])
def test_new_refuses_a_place_where_no_job_can_be(call: Call, file: str) -> None:
    said = call("new", file)
    assert said.code == 2
    assert said.line.startswith("dtrain: ")


def test_digest_is_the_last_line_of_the_run(call: Call, write: Write) -> None:
    run = call("run", write(), *FEW_STEPS, "--run-dir", "r")
    said = call("digest", "r")
    assert said.code == 0
    assert said.out.strip() == run.out.splitlines()[-1]


def test_the_last_line_of_a_json_run_is_its_result(call: Call, write: Write) -> None:
    said = call("run", write(), *FEW_STEPS, "--run-dir", "r", "--json")
    result = json.loads(said.out.splitlines()[-1])
    assert {"job", "steps", "epochs", "loss", "eval", "digest", "seconds"} <= set(result)
    assert {"samples_per_second", "workers", "run_dir"} <= set(result)


def test_a_quiet_run_prints_its_digest_alone(call: Call, write: Write) -> None:
    said = call("run", write(), *FEW_STEPS, "--quiet")
    assert said.out.startswith("digest ")
    assert len(said.out.splitlines()) == 1
    assert said.err == ""


def test_set_goes_before_config(call: Call, write: Write, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("hidden = 7\nrate = 0.5\n")
    options = ["--config", "c.toml", "--set", "rate=0.25", "--run-dir", "r", "--quiet"]
    assert call("run", write(), *FEW_STEPS, *options).code == 0
    settings = json.loads((tmp_path / "r" / "run.json").read_text())["settings"]
    assert (settings["hidden"], settings["rate"]) == (7, 0.25)


def test_status_of_a_finished_run_shows_how_it_ended(call: Call, finished: Path) -> None:
    said = call("status", finished)
    assert said.code == 0
    assert said.out.splitlines()[0].split() == ["state", "finished"]


def test_status_as_json_has_the_digest(call: Call, finished: Path) -> None:
    status = json.loads(call("status", finished, "--json").out)
    assert f"digest {status['digest']}\n" == call("digest", finished).out


def test_the_version_is_a_line(call: Call) -> None:
    said = call("--version")
    assert (said.code, said.out.split()[0]) == (0, "dtrain")


def test_no_command_at_all_lists_the_commands(call: Call) -> None:
    said = call()
    assert said.code == 0
    for command in ("new", "check", "run", "coordinator", "worker", "digest", "status", "stop"):
        assert f"\n  {command} " in said.out


class Ten(Job):
    batch_size: int = 10
    micro_batches: int = 4  # leaves of 3, 3, 3 and 1


def test_leaves_are_counted_as_the_schedule_does() -> None:
    assert leaves_of(Ten()) == 4
    assert leaves_of(Ten(micro_batches=6)) == 5


def test_workers_that_will_have_no_leaf_are_told_of() -> None:
    assert too_many(Ten(), 4) is None
    assert "micro_batches=7" in str(too_many(Ten(), 7))


# ------------------------------------------------------------------------ this process, pinned


def test_a_process_that_is_not_pinned_starts_again_pinned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda path, argv, env: started.append(env))
    monkeypatch.setattr(sys, "gettrace", lambda: None)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "17")
    pinned.restart_pinned(1, "native")
    assert [env["OPENBLAS_NUM_THREADS"] for env in started] == ["1"]


def test_a_process_starts_again_once_at_the_most_for_the_same_pins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda path, argv, env: started.append(env))
    monkeypatch.setattr(sys, "gettrace", lambda: None)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "17")
    pinned.restart_pinned(1, "native")
    monkeypatch.setenv("DTRAIN_RESTARTED", started[0]["DTRAIN_RESTARTED"])
    with pytest.raises(RunError, match="OPENBLAS_NUM_THREADS"):
        pinned.restart_pinned(1, "native")
    assert len(started) == 1


def test_a_process_that_was_pinned_starts_again_for_other_pins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda path, argv, env: started.append(env))
    monkeypatch.setattr(sys, "gettrace", lambda: None)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "17")
    pinned.restart_pinned(1, "native")
    for name, value in started[0].items():
        monkeypatch.setenv(name, value)
    pinned.restart_pinned(2, "native")
    assert [env["OPENBLAS_NUM_THREADS"] for env in started] == ["1", "2"]


def test_a_pinned_process_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started again"))
    pinned.restart_pinned(1, "native")


def test_a_process_with_a_debugger_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started again"))
    monkeypatch.setattr(sys, "gettrace", lambda: print)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "17")
    pinned.restart_pinned(1, "native")


def test_the_command_pins_itself_and_gives_the_digest_of_a_pinned_one(
    call: Call, write: Write
) -> None:
    job = write()
    command = [sys.executable, "-m", "dtrain", "run", str(job), *FEW_STEPS, "--quiet"]
    environment = {k: v for k, v in os.environ.items() if k not in numerics.THREADS}
    environment["PYTHONPATH"] = str(IMPORT_ROOT)
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == call("run", job, *FEW_STEPS, "--quiet").out


# ------------------------------------------------------------------------------ wrong commands


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["frobnicate"], "frobnicate"),
        (["check"], "Missing argument"),
        (["run"], "say which job"),
        (["run", "odd.py", "--wrokers", "2"], "--wrokers"),
        (["run", "odd.py", "--workers", "-1"], "--workers"),
        (["run", "odd.py", "--workers", "two"], "--workers"),
        (["run", "odd.py", "--data", "no-such-folder"], "no-such-folder"),
        (["worker", "odd.py"], "--connect"),
        (["worker", "odd.py", "--connect", "h", "--workers", "0"], "auto"),
        (["worker", "odd.py", "--connect", "h", "--reconnect-for", "soon"], "forever"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_line(
    call: Call, write: Write, argv: list[str], words: str
) -> None:
    write()
    said = call(*argv)
    assert said.code == 2
    assert said.line.startswith("dtrain: ")
    assert words in said.line
    assert "--help" in said.line


# -------------------------------------------------------------------------------- wrong jobs

WRONG_FILES = {
    "a job file that does not exist": (["absent.py"], "absent.py"),
    "a module that does not exist": (["no.such.module:Job"], "no.such.module"),
    "a class that does not exist": (["odd.py:Even"], "Odd"),
    "what is neither": (["odd"], "odd.py"),
}


@pytest.mark.parametrize("command", ["run", "check", "coordinator", "worker"])
@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_job_that_cannot_be_found_is_one_line(
    call: Call, write: Write, tmp_path: Path, command: str, case: str
) -> None:
    argv, words = WRONG_FILES[case]
    write()
    said = call(command, *argv, *(["--connect", "localhost"] if command == "worker" else []))
    assert said.code == 2
    assert words in said.line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "no subclass of dtrain.Job"),
        (HEAD + "\nclass Even(Odd): pass\n", "has 2 jobs"),
        ("def broken(:\n", "SyntaxError"),
        ("import no_such_package\n", "no_such_package"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
    ids=["no job", "two jobs", "a syntax error", "a missing import", "an exception"],
)
def test_a_file_without_one_job_is_one_line(
    call: Call, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "odd.py").write_text(text)
    said = call("run", "odd.py", "--workers", "0")
    assert said.code == 2
    assert words in said.line
    assert "odd.py" in said.line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "hiden=3"], "did you mean hidden"),
        (["--set", "hidden=three"], "hidden (int"),
        (["--set", "hidden"], "NAME=VALUE"),
        (["--set", "batch_size=0"], "batch_size"),
        (["--set", "micro_batches=9"], "micro_batches"),
        (["--set", "dtype=float16"], "float32"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--config", "odd.py"], "TOML"),
    ],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_wrong_setting_is_one_line_and_leaves_no_directory(
    call: Call, write: Write, tmp_path: Path, options: list[str], words: str, workers: int
) -> None:
    said = call("run", write(), *options, "--workers", workers)
    assert said.code == 2
    assert words in said.line
    assert not (tmp_path / "runs").exists()


WRONG_JOBS = {
    "a loss that is a vector": (
        "    def loss(self, model, batch): return model(batch[0]).sum(1)\n",
        "shape",
    ),
    "a loss that is a number": ("    def loss(self, model, batch): return 0.5\n", "float"),
    "a model without parameters": ("    def model(self): return nn.ReLU()\n", "parameters"),
    "a model that is no module": ("    def model(self): return 3\n", "Module"),
    "a loader where a dataset belongs": (
        "    def train_data(self): return DataLoader([1, 2])\n",
        "DataLoader",
    ),
    "an empty dataset": ("    def train_data(self): return []\n", "empty"),
    "data that changes from call to call": (
        "    def train_data(self): return Impure()\n",
        "weight",
    ),
    "several optimizers": ("    def optimizer(self, model): return []\n", "optimizer"),
    "data from a folder that nobody named": (
        "    def train_data(self): return self.data_dir\n",
        "--data DIR",
    ),
}


@pytest.mark.parametrize("case", WRONG_JOBS)
def test_a_job_that_cannot_be_trained_is_one_line(call: Call, write: Write, case: str) -> None:
    change, words = WRONG_JOBS[case]
    said = call("run", write(change), *FEW_STEPS, "--quiet")
    assert said.code == 2
    assert said.line.startswith("dtrain: ")
    assert words in said.line


RAISING = {
    "optimizer": (
        "    def optimizer(self, model): return optim.SGD(model.parameters(), lr=-1)\n",
        "Odd.optimizer: ValueError: Invalid learning rate: -1 (odd.py, line LAST)",
    ),
    "model": (
        "    def model(self): return nn.Linear(3)\n",
        (
            "Odd.model: TypeError: Linear.__init__() missing 1 required positional argument: "
            "'out_features' (odd.py, line LAST)"
        ),
    ),
    "train_data": (
        "    def train_data(self):\n        raise OSError('no\\ndisk')\n",
        "Odd.train_data: OSError: no disk (odd.py, line LAST)",
    ),
    "eval_data": (
        "    def eval_data(self): raise ValueError\n",
        "Odd.eval_data: ValueError (odd.py, line LAST)",
    ),
    "len": (
        (
            "    def train_data(self): return Unknown()\n"
            "class Unknown(Impure):\n    def __len__(self): return len(3)\n"
        ),
        "Unknown.__len__: TypeError: object of type 'int' has no len() (odd.py, line LAST)",
    ),
    "order": (
        "    def order(self, n, epoch): return 1 / 0\n",
        "step 0, leaf 0: Odd.order: ZeroDivisionError: division by zero (odd.py, line LAST)",
    ),
    "init": (
        "    def __init__(self, **settings):\n        {}['x']\n",
        "Odd.__init__: KeyError: 'x' (odd.py, line LAST)",
    ),
    "init without settings": (
        "    def __init__(self): super().__init__()\n",
        "Odd.__init__: TypeError: Odd.__init__() got an unexpected keyword argument 'max_steps'",
    ),
    "sys.exit": (
        "    def model(self): raise SystemExit\n",
        "Odd.model called sys.exit() (odd.py, line LAST)",
    ),
}


@pytest.mark.parametrize("case", RAISING)
def test_an_exception_in_a_method_of_the_job_is_one_line(
    call: Call, write: Write, case: str
) -> None:
    change, words = RAISING[case]
    last = len((HEAD + change).splitlines())
    said = call("run", write(change), *FEW_STEPS, "--quiet")
    assert said.code == 2
    assert said.line == f"dtrain: {words}".replace("LAST", str(last))


def test_debug_shows_the_exception_in_a_method_of_the_job(call: Call, write: Write) -> None:
    said = call("--debug", "check", write(RAISING["optimizer"][0]))
    assert said.code == 2
    assert "optim/sgd.py" in said.err
    assert "direct cause" in said.err


LATE = """
    epochs: int = 2
    def order(self, n, epoch): return range(n) if epoch == 0 else 1 / 0
"""
SUMMARY = """
    def eval_data(self): return self.train_data()
    def summary(self, means): return {"bleu": "high"}
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [(LATE, "step 1, leaf 0: Odd.order: ZeroDivisionError"), (SUMMARY, "Odd.summary: the value")],
)
def test_a_mistake_that_shows_when_work_has_started_fails_the_run(
    call: Call, write: Write, tmp_path: Path, change: str, words: str
) -> None:
    said = call("run", write(change), *FEW_STEPS, "--quiet", "--run-dir", tmp_path / "r")
    assert (said.code, said.out) == (1, "")
    assert said.line.startswith(f"dtrain: {words}")
    result = json.loads((tmp_path / "r" / "run.json").read_text())["result"]
    assert (result["state"], result["steps"]) == ("failed", 1)
    assert (tmp_path / "r" / "final.safetensors").is_file()


LABELS_OUT_OF_RANGE = """
    def train_data(self):
        return TensorDataset(np.ones((8, 3), np.float32), np.arange(8))
"""


def test_labels_out_of_range_are_one_line_with_step_leaf_and_where(
    call: Call, write: Write
) -> None:
    said = call("run", write(LABELS_OUT_OF_RANGE), *FEW_STEPS, "--quiet")
    assert said.code == 2
    [line] = said.err.splitlines()
    assert line.startswith("dtrain: step 0, leaf 0: a label is out of range (odd.py, line ")


def test_an_exception_in_the_loss_shows_the_traceback_of_the_user_alone(
    call: Call, write: Write
) -> None:
    said = call("check", write("    def loss(self, model, batch): return {}['no']\n"))
    assert said.code == 1
    assert "return {}['no']" in said.err
    assert "leaf.py" not in said.err
    assert said.err.splitlines()[-1] == "dtrain: step 0, leaf 0: KeyError: 'no'"


@pytest.mark.parametrize("argv", [["--debug", "check"], ["run", "--debug"]])
def test_debug_adds_the_traceback(call: Call, argv: list[str]) -> None:
    said = call(*argv, "absent.py")
    assert said.code == 2
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith("dtrain: ")


def test_ctrl_c_is_130_without_a_traceback(
    call: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dtrain.jobfile.load", press)
    said = call("check", write())
    assert (said.code, said.err) == (130, "")


# ---------------------------------------------------------- wrong addresses, wrong directories


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["coordinator", "odd.py", "--bind", "tcp:/x"], "tcp://HOST:PORT"),
        (["run", "odd.py", "--workers", "2", "--bind", "a b"], "tcp://HOST:PORT"),
        (["worker", "odd.py", "--connect", "host:99999"], "65535"),
        (["coordinator", "odd.py", "--bind", "tcp://0.0.0.0:5700"], "--insecure"),
        (["run", "odd.py", "--workers", "2", "--bind", "tcp://0.0.0.0:0"], "--insecure"),
        (["status", "host:port"], "tcp://HOST:PORT"),
        (["stop", "host:port"], "tcp://HOST:PORT"),
    ],
)
def test_a_wrong_address_is_one_line_and_leaves_no_directory(
    call: Call, write: Write, tmp_path: Path, argv: list[str], words: str
) -> None:
    write()
    said = call(*argv)
    assert said.code == 2
    assert words in said.line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["run", "coordinator"])
def test_a_busy_port_is_one_line_and_leaves_no_directory(
    call: Call, write: Write, tmp_path: Path, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        said = call(command, write(), "--bind", f"tcp://127.0.0.1:{busy.getsockname()[1]}")
    assert said.code == 2
    assert "another coordinator" in said.line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", [["run", "--workers", "0"], ["run"], ["coordinator"]])
def test_a_run_directory_is_never_overwritten(
    call: Call, write: Write, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    said = call(*command, write(), "--run-dir", "mine")
    assert said.code == 2
    assert "overwritten" in said.line
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("command", ["digest", "status", "stop"])
def test_a_folder_that_is_no_run_is_one_line(call: Call, tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").mkdir()
    said = call(command, "empty")
    assert said.code == 2
    assert "empty" in said.line


def test_a_run_that_is_over_cannot_be_stopped(call: Call, finished: Path) -> None:
    said = call("stop", finished)
    assert said.code == 2
    assert "over already" in said.line


def rewrite(run: Path, change: Callable[[dict[str, np.ndarray], dict[str, str]], None]) -> None:
    """Change the weights and the metadata of a run's final.safetensors."""
    file = run / "final.safetensors"
    with safe_open(file, framework="numpy") as content:
        about = content.metadata()
        weights = {name: content.get_tensor(name) for name in json.loads(about["order"])}
    change(weights, about)
    save_file(weights, file, metadata=about)


def nudge(weights: dict[str, np.ndarray], _: dict[str, str]) -> None:
    """Another last bit."""
    weights["bias"] = np.nextafter(weights["bias"], np.float32(9))


def nudge_and_cover_up(weights: dict[str, np.ndarray], about: dict[str, str]) -> None:
    """Another last bit, and a digest in the file that fits."""
    nudge(weights, about)
    about["digest"] = digest(weights)


@pytest.mark.parametrize("change", [nudge, nudge_and_cover_up])
def test_changed_weights_fail_the_digest(
    call: Call,
    finished: Path,
    change: Callable[[dict[str, np.ndarray], dict[str, str]], None],
) -> None:
    rewrite(finished, change)
    said = call("digest", finished)
    assert (said.code, said.out) == (1, "")
    assert "digest" in said.line


def test_rewritten_but_equal_weights_pass_the_digest(call: Call, finished: Path) -> None:
    rewrite(finished, lambda weights, about: None)
    assert call("digest", finished).code == 0


def test_a_damaged_file_of_weights_is_one_line(call: Call, finished: Path) -> None:
    (finished / "final.safetensors").write_bytes(b"nothing")
    said = call("digest", finished)
    assert said.code == 1
    assert "damaged" in said.line
