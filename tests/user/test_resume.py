"""Going on with a run: the digest of the uninterrupted one, or a refusal that says what differs."""

import json
import resource
import signal
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import jobfile, resume
from dtrain.checked import job_of
from dtrain.checkpoint import Checkpoints
from dtrain.errors import RunDirError, SettingError, UserError
from dtrain.job import Job
from dtrain.progress import Silent
from dtrain.recorder import Recorder
from dtrain.resume import Start
from dtrain.rundir import RunDir
from dtrain.training import run_in_process
from tests.compute.jobs import Classify

FILE = """
    import numpy as np
    import dtrain
    from dtrain import nn, optim
    from dtrain.data import TensorDataset
    from dtrain.nn import functional as F
    from dtrain.optim import lr_scheduler

    class Net(dtrain.Job):
        epochs: int = 4
        batch_size: int = 8
        micro_batches: int = 2
        hidden: int = 5
        ema: float | None = 0.9
        clip_grad_norm: float | None = 0.5

        def model(self):
            return nn.Sequential(nn.Linear(3, self.hidden), nn.BatchNorm1d(self.hidden),
                                 nn.Dropout(0.2), nn.Linear(self.hidden, 2))

        def optimizer(self, model):
            return optim.AdamW(model.parameters(), lr=0.05)

        def lr_scheduler(self, optimizer):
            return lr_scheduler.CosineAnnealingLR(optimizer, self.total_steps)

        def _data(self, n):
            x = np.random.default_rng(n).normal(size=(n, 3)).astype("float32")
            return TensorDataset(x, (x[:, 0] > 0).astype("int64"))

        def train_data(self):
            return self._data(40)

        def eval_data(self):
            return self._data(10)

        def loss(self, model, batch):
            x, y = batch
            logits = model(x)
            self.log("accuracy", (logits.argmax(1) == y).float().mean())
            return F.cross_entropy(logits, y)
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Job]:
    """A job in a file of its own, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return written()


def written(change: tuple[str, str] = ("", "")) -> type[Job]:
    text = textwrap.dedent(FILE)
    assert change[0] in text
    Path("net.py").write_text(text.replace(*change) if change[0] else text)
    return jobfile.load(jobfile.JobSpec.parse("net.py"))


def run(job: Job, folder: str, start: Start | None = None) -> dict[str, Any]:
    """A run in this process; its result."""
    directory = RunDir.open(folder)
    run_in_process(job, directory, start or Start(), quiet=True)
    result: dict[str, Any] = directory.read_run()["result"]
    return result


def resumed(
    cls: type[Job], folder: str, start: Start | None = None, **given: Any
) -> dict[str, Any]:
    settings = resume.merged(cls, RunDir.existing(folder).read_run()["settings"], given)
    return run(job_of(cls, settings), folder, start or Start(resume=True))


@pytest.mark.parametrize("at", [1, 5, 7, 19])
def test_a_run_that_was_stopped_goes_on_to_the_digest_of_the_uninterrupted_one(
    net: type[Job], at: int
) -> None:
    whole = run(net(), "whole")
    run(net(), "cut", Start(stop_after=at))
    assert resumed(net, "cut")["digest"] == whole["digest"]


def test_its_metrics_are_those_of_the_uninterrupted_one(net: type[Job]) -> None:
    run(net(), "whole")
    run(net(), "cut", Start(stop_after=7))
    resumed(net, "cut")
    assert [what_stays(line) for line in RunDir("cut").metrics()] == [
        what_stays(line) for line in RunDir("whole").metrics()
    ]


def what_stays(line: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in line.items() if k not in ("seconds", "phases", "workers")}


def test_lines_after_the_checkpoint_are_taken_back(net: type[Job]) -> None:
    run(net(), "cut", Start(stop_after=7))
    for path in Checkpoints(Path("cut")).all():
        if path.name != "step-00000005.safetensors":
            path.unlink()
    assert resumed(net, "cut")["steps"] == 20
    steps = [line["step"] for line in RunDir("cut").metrics() if "loss" in line]
    assert steps == [*range(20)]


def test_a_run_without_a_checkpoint_begins_again(net: type[Job]) -> None:
    whole = run(net(), "whole")
    run(net(), "cut", Start(stop_after=7))
    for path in Checkpoints(Path("cut")).all():
        path.unlink()
    assert resumed(net, "cut")["digest"] == whole["digest"]


def test_a_damaged_newest_checkpoint_is_told_and_passed_over(net: type[Job]) -> None:
    whole = run(net(), "whole")
    run(net(), "cut", Start(stop_after=7))
    newest = Checkpoints(Path("cut")).path(7)
    newest.write_bytes(newest.read_bytes()[:-40])
    assert resumed(net, "cut")["digest"] == whole["digest"]
    notes = [e["text"] for e in RunDir("cut").events() if e["event"] == "note"]
    assert any("step-00000007.safetensors" in n and "going on from step 5" in n for n in notes)


def test_terms_rise_and_resumes_are_recorded(net: type[Job]) -> None:
    run(net(), "cut", Start(stop_after=3))
    resumed(net, "cut", Start(resume=True, stop_after=9))
    resumed(net, "cut")
    record = RunDir("cut").read_run()
    assert record["term"] == 3
    assert [(each["term"], each["step"]) for each in record["resumed"]] == [(2, 3), (3, 9)]


def test_a_longer_run_goes_on_and_says_what_becomes_of_the_schedule(net: type[Job]) -> None:
    run(net(), "cut")
    assert resumed(net, "cut", epochs=5)["steps"] == 25
    notes = [e["text"] for e in RunDir("cut").events() if e["event"] == "note"]
    assert any("the plan grew from 20 to 25 steps" in note for note in notes)
    assert RunDir("cut").read_run()["resumed"][0]["changed"] == {"epochs": [4, 5]}


def test_a_longer_run_without_a_schedule_is_the_run_that_was_longer(net: type[Job]) -> None:
    class Plain(net):  # type: ignore[misc, valid-type]
        def lr_scheduler(self, optimizer: Any) -> Any:
            return None

    plain = Plain
    whole = dtrain.train(plain(epochs=6), quiet=True, run_dir="whole").digest
    dtrain.train(plain(epochs=4), quiet=True, run_dir="cut")
    longer = dtrain.train(plain(epochs=6), quiet=True, resume="cut")
    assert longer.digest == whole


def test_lines_that_a_power_cut_has_damaged_are_lost_and_told(net: type[Job]) -> None:
    whole = run(net(), "whole")
    run(net(), "cut", Start(stop_after=7))
    for name in ("metrics.jsonl", "events.jsonl"):
        with Path("cut", name).open("ab") as file:
            file.write(bytes(40) + b"\n" + b'{"half')
    assert resumed(net, "cut")["digest"] == whole["digest"]
    assert [line["step"] for line in RunDir("cut").metrics() if "lr" in line] == [*range(20)]
    notes = [e["text"] for e in RunDir("cut").events() if e["event"] == "note"]
    assert "2 damaged lines of metrics.jsonl are lost" in notes


def test_a_run_that_goes_on_has_no_final_weights_meanwhile(net: type[Job]) -> None:
    run(net(), "cut", Start(stop_after=7))

    class Broken(net):  # type: ignore[misc, valid-type]
        def on_step(self, record: Any) -> None:
            assert not Path("cut/final.safetensors").exists()

    Broken.__name__, Broken.__qualname__ = "Net", "Net"
    dtrain.train(Broken(), quiet=True, resume="cut")


def test_a_disk_that_cannot_be_read_now_puts_nothing_aside(
    net: type[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(net(), "cut", Start(stop_after=7))
    before = Checkpoints(Path("cut")).all()

    def broken(path: Path) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", broken)
        with pytest.raises(RunDirError, match="cannot be read"):
            resume.begin(RunDir("cut"))
    assert Checkpoints(Path("cut")).all() == before


def test_last_is_the_newest_run(net: type[Job]) -> None:
    run(net(), "runs/a", Start(stop_after=1))
    run(net(), "runs/b", Start(stop_after=1))
    assert resume.find("last").path.name == "b"


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hidden": 6}, "hidden was 5 and changes the weights; it cannot be 6"),
        ({"seed": 3}, "seed was 0 and changes the weights"),
        ({"clip_grad_norm": None}, "clip_grad_norm was 0.5"),
        ({"epochs": 3}, "epochs was 4 and may only grow; it cannot be 3"),
        ({"nonsense": 1}, "has no setting 'nonsense'"),
    ],
)
def test_a_setting_that_changes_the_weights_is_refused(
    given: dict[str, Any], words: str, net: type[Job]
) -> None:
    run(net(), "cut", Start(stop_after=1))
    with pytest.raises(SettingError, match=words):
        resumed(net, "cut", **given)


@pytest.mark.parametrize(
    "given",
    [{"checkpoint_every": 1}, {"keep_last": 9}, {"eval_every": 2}, {"max_seconds": 1e6},
     {"monitor": "max accuracy"}],
)  # fmt: skip
def test_a_neutral_setting_may_change(given: dict[str, Any], net: type[Job]) -> None:
    whole = run(net(), "whole")
    run(net(), "cut", Start(stop_after=6))
    assert resumed(net, "cut", **given)["digest"] == whole["digest"]


def test_when_evaluations_are_made_matters_to_an_early_stop(net: type[Job]) -> None:
    run(net(patience=3), "cut", Start(stop_after=6))
    with pytest.raises(SettingError, match="eval_every was None and changes the weights"):
        resumed(net, "cut", eval_every=2)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (("nn.Dropout(0.2)", "nn.Dropout(0.3)"), "job", "changed files: net.py"),
        (("_data(40)", "_data(48)"), "data", "then 40 training"),
    ],
)
def test_another_job_or_other_data_are_refused_with_the_difference(
    change: tuple[str, str], kind: str, words: str, net: type[Job]
) -> None:
    run(net(), "cut", Start(stop_after=6))
    with pytest.raises(RunDirError, match=words) as refused:
        resumed(written(change), "cut")
    assert f"--allow-change {kind}" in str(refused.value)


def test_a_changed_job_is_accepted_by_name(net: type[Job]) -> None:
    run(net(), "cut", Start(stop_after=6))
    other = written(("nn.Dropout(0.2)", "nn.Dropout(0.3)"))
    assert resumed(other, "cut", Start(resume=True, allowed=("job",)))["steps"] == 20


def test_a_changed_model_is_refused_by_its_tensors(net: type[Job]) -> None:
    run(net(), "cut", Start(stop_after=6))
    other = written(("nn.Linear(self.hidden, 2)", "nn.Linear(self.hidden, 3)"))
    with pytest.raises(RunDirError) as refused:
        resumed(other, "cut", Start(resume=True, allowed=("job",)))
    assert "--allow-change model" in str(refused.value)


def test_what_fits_of_a_changed_model_goes_on(net: type[Job]) -> None:
    run(net(), "cut", Start(stop_after=6))
    other = written(("nn.Linear(self.hidden, 2)", "nn.Linear(self.hidden, 3)"))
    start = Start(resume=True, allowed=("job", "model"), stop_after=7)
    assert resumed(other, "cut", start)["steps"] == 7
    notes = [e["text"] for e in RunDir("cut").events() if e["event"] == "note"]
    assert "3.weight is 3x5 in the model, 2x5 in the file" in notes


def test_other_arithmetic_is_refused_with_the_flag_that_accepts_it(net: type[Job]) -> None:
    run(net(), "cut", Start(stop_after=6))
    directory = RunDir("cut")
    table = {**directory.read_run()["fingerprint"], "numpy": "0.1"}
    directory.update_run(fingerprint=table)
    with pytest.raises(RunDirError, match="--allow-drift"):
        resumed(net, "cut")
    assert resumed(net, "cut", Start(resume=True, allow_drift=True))["steps"] == 20


def test_a_run_that_has_ended_needs_more_to_do(net: type[Job]) -> None:
    run(net(), "done")
    with pytest.raises(RunDirError, match=r"all its 20 steps; go on with more: --set epochs"):
        resumed(net, "done")


def test_a_run_that_goes_on_elsewhere_is_not_touched(net: type[Job]) -> None:
    run(net(), "cut", Start(stop_after=6))
    directory = RunDir("cut")
    directory.lock()
    with pytest.raises(RunDirError, match="is in use"):
        resumed(net, "cut")
    directory.unlock()


def test_resume_and_init_exclude_each_other(net: type[Job]) -> None:
    with pytest.raises(UserError, match="either resume or init"):
        dtrain.train(net(), resume="last", init="x.safetensors")


# ---------------------------------------------------------------------------- early stop, files


def test_an_early_stop_is_the_same_step_and_digest_after_a_resume(net: type[Job]) -> None:
    settings: dict[str, Any] = {"patience": 1, "monitor": "max accuracy", "epochs": 50}
    whole = run(net(**settings), "whole")
    assert whole["state"] == "finished"
    assert whole["steps"] < 250
    run(net(**settings), "cut", Start(stop_after=7))
    assert resumed(net, "cut")["digest"] == whole["digest"]


def test_the_best_weights_are_those_of_the_best_evaluation(net: type[Job]) -> None:
    run(net(monitor="max accuracy", keep_last=1), "cut")
    lines = [line for line in RunDir("cut").metrics() if "eval" in line]
    best = max(lines, key=lambda line: line["eval"]["accuracy"])
    state = dtrain.load("cut", which="best").state_dict()
    assert dtrain.digest.digest({n: t._array for n, t in state.items()}) == best["digest"]


def test_a_checkpoint_is_loaded_by_its_number_of_steps(net: type[Job]) -> None:
    run(net(checkpoint_every=4, keep_last=9, keep_best=0), "cut")
    state = dtrain.load("cut", which=8).state_dict()
    run(net(), "short", Start(stop_after=8))
    short = dtrain.load("short").state_dict()
    assert all((state[n]._array == short[n]._array).all() for n in short)


def test_a_checkpoint_that_is_not_there_says_which_are(net: type[Job]) -> None:
    run(net(checkpoint_every=6, keep_last=9, keep_best=0), "cut")
    with pytest.raises(RunDirError, match="no checkpoint after 7 steps; there: 6, 12, 18, 20"):
        dtrain.load("cut", which=7)


def test_averaged_weights_are_loaded_as_ema(net: type[Job]) -> None:
    run(net(), "cut")
    final, average = dtrain.load("cut").state_dict(), dtrain.load("cut", which="ema").state_dict()
    assert (final["0.weight"]._array != average["0.weight"]._array).any()
    assert (final["1.running_mean"]._array == average["1.running_mean"]._array).all()


def test_weights_can_be_given_to_begin_with(net: type[Job]) -> None:
    first = run(net(), "first", Start(stop_after=5))
    run(net(), "second", Start(init="first/final.safetensors", stop_after=1))
    begun = RunDir("second").read_weights("init.safetensors")
    assert begun.digest == first["digest"]


def test_weights_of_another_model_are_refused_by_name_and_shape(net: type[Job]) -> None:
    run(net(hidden=6), "first", Start(stop_after=1))
    with pytest.raises(RunDirError, match=r"0\.weight is 5x3 in the model, 6x3 in the file"):
        run(net(), "second", Start(init="first/final.safetensors"))


# ------------------------------------------------------------------------------ full disks


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """As on a full disk: what would make a file larger than this fails."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


class Roomy(Classify):
    """Its checkpoints are much larger than its final weights."""

    epochs: int = 2
    hidden: int = 400
    checkpoint_every: int | None = 2
    keep_last: int = 9
    keep_best: int = 0


def test_on_a_full_disk_training_goes_on_and_says_so() -> None:
    whole = dtrain.train(Roomy(), quiet=True, run_dir=None).digest
    with no_file_above(50_000):
        result = dtrain.train(Roomy(), quiet=True)
    assert result.digest == whole
    failures = [e for e in RunDir(result.run_dir).events() if e["event"] == "checkpoint-failed"]
    assert len(failures) >= 3
    assert "training goes on" in failures[0]["text"]
    assert Checkpoints(result.run_dir).all() == []


def test_on_a_full_disk_a_run_stops_cleanly_if_it_is_to(tmp_path: Path) -> None:
    job = Roomy(on_checkpoint_error="stop")
    with no_file_above(50_000), pytest.raises(dtrain.RunError, match="cannot write"):
        dtrain.train(job, quiet=True, run_dir=tmp_path / "run")
    record = RunDir(tmp_path / "run").read_run()
    assert record["state"] == "failed"
    assert record["result"]["steps"] >= 2


def test_what_was_written_before_the_disk_was_full_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "run"
    directory = RunDir.open(path)
    run_in_process(Roomy(), directory, Start(stop_after=4), quiet=True)
    good = Checkpoints(path).all()
    with no_file_above(50_000):
        run_in_process(Roomy(), directory, Start(resume=True), quiet=True)
    assert Checkpoints(path).all() == good
    assert Checkpoints(path).newest().damaged == []


def test_final_weights_that_find_no_room_end_the_run_in_a_sentence(tmp_path: Path) -> None:
    job = Roomy(hidden=4000, checkpoint_every=None, max_steps=2)
    with no_file_above(60_000), pytest.raises(dtrain.RunError, match=r"final\.safetensors"):
        dtrain.train(job, quiet=True, run_dir=tmp_path / "run")
    record = RunDir(tmp_path / "run").read_run()
    assert (record["state"], record["result"]["state"]) == ("failed", "failed")
    assert "cannot write" in record["result"]["error"]


def test_lines_of_metrics_that_find_no_room_are_lost_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with no_file_above(60_000):
        code = run_in_process(Small(), RunDir.open(tmp_path / "run"), Start())
    assert code == 0
    assert "lines lost so far: 1; training goes on" in capsys.readouterr().out
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        json.loads(line)


class Small(Classify):
    epochs: int = 80
    hidden: int = 4
    checkpoint_every: int | None = None
    keep_best: int = 0


# ------------------------------------------------------------------------------- callbacks


def test_callbacks_are_called_at_the_coordinator(tmp_path: Path) -> None:
    seen: list[tuple[str, Any]] = []

    class Watching(Classify):
        epochs: int = 1
        checkpoint_every: int | None = 2
        keep_best: int = 0

        def on_step(self, record: Any) -> None:
            seen.append(("step", record.step))

        def on_eval(self, step: int, metrics: Any) -> None:
            seen.append(("eval", sorted(metrics)))

        def on_checkpoint(self, path: Path) -> None:
            seen.append(("checkpoint", path.name))

    dtrain.train(Watching(), quiet=True, run_dir=tmp_path / "run")
    assert [each for each in seen if each[0] != "checkpoint"] == [
        *(("step", n) for n in range(4)),
        ("eval", ["accuracy", "loss"]),
    ]
    assert ("checkpoint", "step-00000004.safetensors") in seen


def test_what_a_callback_sets_on_the_job_is_not_seen_by_the_loss(tmp_path: Path) -> None:
    class Setting(Classify):
        scale = 1.0

        def on_step(self, record: Any) -> None:
            self.scale = 2.0

        def loss(self, model: Any, batch: Any) -> Any:
            return super().loss(model, batch) * self.scale

    plain = dtrain.train(Classify(), quiet=True, run_dir=tmp_path / "plain").digest
    assert dtrain.train(Setting(), quiet=True, run_dir=tmp_path / "run").digest == plain


def test_what_a_callback_raises_ends_the_run_with_its_line(tmp_path: Path) -> None:
    class Broken(Classify):
        def on_step(self, record: Any) -> None:
            raise KeyError("nothing")

    with pytest.raises(dtrain.RunError, match=r"Broken\.on_step: KeyError: 'nothing'"):
        dtrain.train(Broken(), quiet=True, run_dir=tmp_path / "run")


def test_what_on_checkpoint_raises_at_the_end_leaves_the_weights_and_a_failed_run(
    tmp_path: Path,
) -> None:
    class Broken(Classify):
        checkpoint_every: int | None = None
        keep_best: int = 0

        def on_checkpoint(self, path: Path) -> None:
            raise KeyError("nothing")

    with pytest.raises(dtrain.RunError, match=r"Broken\.on_checkpoint: KeyError"):
        dtrain.train(Broken(), quiet=True, run_dir=tmp_path / "run")
    directory = RunDir(tmp_path / "run")
    assert directory.read_run()["state"] == "failed"
    assert directory.read_final().steps == 12


def test_a_callback_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    recorder = Recorder(None, Silent())
    recorder.saved(3, tmp_path)
    assert recorder.history == []


def test_a_nan_gradient_names_step_leaf_and_parameter(tmp_path: Path) -> None:
    computer = dtrain.leaf.LeafComputer(Classify())
    lo, hi = computer.schedule.leaf(2, 1)
    chosen = computer.job.order(64, 0)[lo:hi]
    marked = Classify()
    marked.loss = _marking(marked, chosen)  # type: ignore[method-assign]
    with pytest.raises(dtrain.NonFiniteError, match=r"step 2, leaf 1: the gradient of 0\.weight"):
        dtrain.train(marked, quiet=True, run_dir=tmp_path / "run")


def _marking(job: Any, chosen: Any) -> Any:
    """The loss, infinite for the leaf with the chosen samples in step 2."""
    want = np.sort(np.stack([job.train_data()[int(i)][0]._array for i in chosen])[:, 0])

    def loss(model: Any, batch: Any) -> Any:
        value = Classify.loss(job, model, batch)
        is_it = job.step == 2 and np.array_equal(np.sort(batch[0]._array[:, 0]), want)
        return value * (np.inf if is_it else 1.0)

    return loss
