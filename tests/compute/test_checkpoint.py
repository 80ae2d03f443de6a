"""Checkpoints: everything that the rest of a run depends on, in a file that is whole or absent."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from dtrain import checkpoint, nn, optim, serialization, tensor
from dtrain.checkpoint import Checkpoints
from dtrain.errors import RunDirError, RunError
from dtrain.leaf import LeafComputer
from dtrain.local import evaluate, take_step
from dtrain.nn import Module
from dtrain.optim import SGD, AdamW, Optimizer, lr_scheduler
from dtrain.trainer import Trainer
from tests.compute.jobs import Branching, Classify, trained, trainer_of
from tests.optim.samples import SAMPLES

SCHEDULES: dict[str, Any] = {
    "step": lambda o: lr_scheduler.StepLR(o, 2),
    "milestones": lambda o: lr_scheduler.MultiStepLR(o, [2, 3, 3, 5]),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda n: 1 / (n + 1)),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 7),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.3, total_steps=12),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=2),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2),
    "sequence": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.1, total_iters=3), lr_scheduler.MultiStepLR(o, [2, 4])],
        milestones=[3],
    ),
    "chain": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 2), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0),
}


class Made(Classify):
    """An optimizer and a schedule by their names in tables; a BatchNorm, for buffers."""

    sample: int = -1  # of tests.optim.samples; -1: SGD with momentum, -2: two groups
    schedule: str = ""

    def model(self) -> Module:
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))

    def optimizer(self, model: Module) -> Optimizer:
        if self.sample == -2:
            return AdamW([{"params": model[0].parameters(), "lr": 0.1}, *_rest(model)], lr=0.01)
        if self.sample >= 0:
            name, options = SAMPLES[self.sample]
            made: Optimizer = getattr(optim, name)(model.parameters(), **options)
            return made
        return SGD(model.parameters(), lr=0.1, momentum=0.9)

    def lr_scheduler(self, optimizer: Optimizer) -> Any:
        return SCHEDULES[self.schedule](optimizer) if self.schedule else None


def _rest(model: Module) -> list[dict[str, Any]]:
    return [{"params": [*model[1].parameters(), *model[3].parameters()], "weight_decay": 0.1}]


def go_on(trainer: Trainer, until: int) -> Trainer:
    """Steps, and the evaluations that are due, to that version."""
    while trainer.version < until or not trainer.evaluated:
        if trainer.evaluated:
            take_step(trainer)
        else:
            trainer.evaluate(evaluate(trainer.computer, trainer.version - 1))
    return trainer


def state_of(trainer: Trainer, **more: Any) -> dict[str, Any]:
    return {**trainer.to_dict(), "digest": trainer.digest(), "value": None, **more}


def resumed(job: Classify, folder: Path, at: int, until: int) -> Trainer:
    """A trainer that comes from a file, which another one wrote after some steps."""
    path = Checkpoints(folder).write(state_of(go_on(trainer_of(job), at)))
    again = Trainer(LeafComputer(type(job)(**job.settings())))
    again.load(checkpoint.read(path))
    return go_on(again, until)


def fingerprint_of(trainer: Trainer) -> Any:
    """Everything that later steps depend on, in comparable form."""
    return sum_of(serialization.to_bytes(trainer.to_dict()))


def sum_of(data: bytes) -> str:
    """The checksum that a file says of itself."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return str(header["__metadata__"][serialization.SUM])


# ---------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("at", [1, 4])
def test_every_schedule_goes_on_as_if_it_had_not_been_interrupted(
    schedule: str, at: int, tmp_path: Path
) -> None:
    job = Made(schedule=schedule, ema=0.9)
    whole = go_on(trainer_of(job), 8)
    assert fingerprint_of(resumed(job, tmp_path, at, 8)) == fingerprint_of(whole)


@pytest.mark.parametrize("sample", range(-2, len(SAMPLES)))
def test_every_optimizer_goes_on_as_if_it_had_not_been_interrupted(
    sample: int, tmp_path: Path
) -> None:
    job = Made(sample=sample)
    whole = go_on(trainer_of(job), 7)
    assert fingerprint_of(resumed(job, tmp_path, 3, 7)) == fingerprint_of(whole)


def test_parameters_that_no_leaf_reached_go_on_without_state(tmp_path: Path) -> None:
    job = Branching()
    whole = go_on(trainer_of(job), 5)
    assert fingerprint_of(resumed(job, tmp_path, 1, 5)) == fingerprint_of(whole)


def test_chunks_of_another_size_go_on_from_the_same_file(tmp_path: Path) -> None:
    path = Checkpoints(tmp_path).write(state_of(go_on(trainer_of(Made()), 3)))
    again = trainer_of(Made(chunk_elements=16))
    again.load(checkpoint.read(path))
    assert go_on(again, 6).digest() == go_on(trainer_of(Made()), 6).digest()


def test_an_evaluation_that_was_due_is_still_due(tmp_path: Path) -> None:
    trainer, _ = trained(Made(), steps=4)
    assert not trainer.evaluated
    path = Checkpoints(tmp_path).write(state_of(trainer))
    again = trainer_of(Made())
    again.load(checkpoint.read(path))
    assert not again.evaluated


def test_buffers_that_are_not_in_the_state_dict_go_on(tmp_path: Path) -> None:
    job = Hidden()
    whole = go_on(trainer_of(job), 6)
    assert fingerprint_of(resumed(job, tmp_path, 3, 6)) == fingerprint_of(whole)
    assert whole.buffers(6)[0] == 24


class Counting(Module):
    """Scales its output by what it has counted, in a buffer that the state_dict does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 4)
        self.register_buffer("seen", tensor(0), persistent=False, rule="count")

    def forward(self, x: Any) -> Any:
        scale = 1 + float(self.seen) / 10
        if self.training:
            self.seen += 1
        return self.linear(x) * scale


class Hidden(Made):
    def model(self) -> Module:
        return Counting()


class Warmed(Made):
    """A momentum that is 0 at times: its buffer is not used then, and must not be lost."""

    def lr_scheduler(self, optimizer: Optimizer) -> Any:
        return lr_scheduler.CyclicLR(
            optimizer, 0.01, 0.1, step_size_up=2, base_momentum=0.0, max_momentum=0.9
        )


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_slots_that_are_not_used_for_a_while_go_on(at: int, tmp_path: Path) -> None:
    whole = go_on(trainer_of(Warmed()), 8)
    assert resumed(Warmed(), tmp_path, at, 8).digest() == whole.digest()


def test_a_slot_that_a_schedule_comes_to_need_is_made() -> None:
    class Later(Made):
        def optimizer(self, model: Module) -> Optimizer:
            return SGD(model.parameters(), lr=0.1)

        def lr_scheduler(self, optimizer: Optimizer) -> Any:
            optimizer.param_groups[0]["momentum"] = 0.0
            return Rising(optimizer)

    assert go_on(trainer_of(Later()), 6).version == 6


class Rising(lr_scheduler.LRScheduler):
    def _next_rates(self) -> Any:
        self.optimizer.param_groups[0]["momentum"] = 0.9 if self.last_epoch > 2 else 0.0
        return self._rates()


def test_an_average_of_new_parameters_begins_with_their_weights(tmp_path: Path) -> None:
    path = Checkpoints(tmp_path).write(state_of(go_on(trainer_of(Made(ema=0.9)), 3)))
    state = checkpoint.read(path)
    del state["ema"]["weights"]["0.weight"]
    again = trainer_of(Made(ema=0.9))
    again.load(state)
    average = again.average_state_dict()
    assert average is not None
    assert (average["0.weight"] == again.state_dict()["0.weight"]).all()


@pytest.mark.parametrize("name", ["commit", "evaluate"])
def test_an_interrupted_commit_is_no_state_to_save(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(Made(schedule="plateau" if name == "evaluate" else "step"))

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    if name == "evaluate":
        go_on(trainer, 3)
        take_step(trainer)
        tail = evaluate(trainer.computer, 3)
        monkeypatch.setattr(trainer.rates, "after_evaluation", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trainer.evaluate(tail)
    else:
        monkeypatch.setattr(trainer.rates, "after_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            take_step(trainer)
    assert not trainer.is_clean


def test_a_state_between_two_versions_cannot_be_saved() -> None:
    trainer = trainer_of(Classify())
    trainer.apply(0, trainer.computer.train(0, 0).parts[0])
    assert not trainer.is_clean
    with pytest.raises(AssertionError, match="step 0 is under way"):
        trainer.to_dict()


def test_an_optimizers_part_is_what_its_state_dict_is_in_pytorch() -> None:
    trainer = go_on(trainer_of(Made(sample=-2)), 2)
    saved = trainer.to_dict()["optimizer"]
    assert sorted(saved["state"][0]) == ["exp_avg", "exp_avg_sq", "step"]
    assert [group["params"] for group in saved["param_groups"]] == [[0, 1], [2, 3, 4, 5]]


# -------------------------------------------------------------------------------- the files


def three(
    folder: Path,
    values: tuple[float | None, ...] = (None, None, None),
    monitor: str = "min loss",
) -> Checkpoints:
    """Checkpoints after 1, 2, 3 steps, with these values of what is monitored."""
    checkpoints = Checkpoints(folder)
    trainer = trainer_of(Classify(monitor=monitor))
    for value in values:
        take_step(trainer)
        checkpoints.write(state_of(trainer, value=value))
    return checkpoints


def versions(checkpoints: Checkpoints) -> list[int | None]:
    return [checkpoint.version_of(path) for path in checkpoints.all()]


def test_the_newest_is_found_first(tmp_path: Path) -> None:
    found = three(tmp_path).newest()
    assert found.state is not None
    assert (found.state["version"], found.damaged) == (3, [])


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        lambda data: data[:8] + b"?" + data[9:],
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: os.urandom(200),
    ],
    ids=["short", "half", "empty", "a bit", "header", "length", "noise"],
)
def test_a_damaged_one_is_passed_over_for_the_one_before(damage: Any, tmp_path: Path) -> None:
    checkpoints = three(tmp_path)
    path = checkpoints.path(3)
    path.write_bytes(damage(path.read_bytes()))
    found = checkpoints.newest()
    assert found.state is not None
    assert found.state["version"] == 2
    assert [each.path for each in found.damaged] == [path]


def test_a_wrong_bit_anywhere_is_found_or_means_nothing(tmp_path: Path) -> None:
    path = three(tmp_path).path(3)
    data, whole = path.read_bytes(), sum_of(path.read_bytes())
    found = 0
    for at in range(0, len(data), len(data) // 60):
        path.write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
        try:
            assert sum_of(serialization.to_bytes(checkpoint.read(path))) == whole
        except RunDirError:
            found += 1
    assert found > 50


def test_a_damaged_one_is_put_aside_once_it_was_told(tmp_path: Path) -> None:
    checkpoints = three(tmp_path)
    checkpoints.path(3).write_bytes(b"")
    checkpoints.put_aside([checkpoints.path(3)])
    assert versions(checkpoints) == [2, 1]
    assert (tmp_path / "checkpoints" / "step-00000003.safetensors.damaged").exists()


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    checkpoints = three(tmp_path)
    left = tmp_path / "checkpoints" / ".step-00000004.safetensors.123"
    left.write_bytes(b"half")
    checkpoints.put_aside([])
    assert not left.exists()


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = three(tmp_path, (0.9, 0.5, 0.7), "max loss")
    checkpoints.thin_out(keep_last=1, keep_best=1, watched="max loss")
    assert versions(checkpoints) == [3, 1]


def test_of_equally_good_ones_the_first_is_kept(tmp_path: Path) -> None:
    checkpoints = three(tmp_path, (0.5, 0.5, None))
    checkpoints.thin_out(keep_last=1, keep_best=1, watched="min loss")
    assert versions(checkpoints) == [3, 1]


@pytest.mark.parametrize(("mode", "best"), [("min", 2), ("max", 1)])
def test_the_best_is_found_without_the_ones_that_were_not_evaluated(
    mode: str, best: int, tmp_path: Path
) -> None:
    checkpoints = three(tmp_path, (0.9, 0.5, None), f"{mode} loss")
    [path, _] = checkpoints.ranked(f"{mode} loss")
    assert checkpoint.version_of(path) == best


def test_what_is_no_number_is_never_the_best_and_hides_nothing(tmp_path: Path) -> None:
    checkpoints = three(tmp_path, (0.5, math.nan, 0.3))
    assert [checkpoint.version_of(path) for path in checkpoints.ranked("min loss")] == [3, 1]


def test_values_of_another_metric_do_not_count(tmp_path: Path) -> None:
    assert three(tmp_path, (0.5, 0.4, 0.3)).ranked("max accuracy") == []


def test_a_file_that_cannot_be_written_leaves_the_others(tmp_path: Path) -> None:
    checkpoints = three(tmp_path)
    state = state_of(trainer_of(Classify()))
    (checkpoints.folder / ".step-00000000.safetensors.0").mkdir()
    blocked = checkpoints.folder / f".step-00000000.safetensors.{os.getpid()}"
    blocked.mkdir()
    with pytest.raises(RunError, match="cannot write"):
        checkpoints.write(state)
    assert versions(checkpoints) == [3, 2, 1]


def test_nothing_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path).newest() == (None, None, [])


def test_another_file_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "step-00000001.safetensors"
    serialization.save({"a": 1}, path)
    with pytest.raises(RunDirError, match="no checkpoint of a run"):
        checkpoint.read(path)
