"""`dtrain check`: what it finds in a job, and what it says of it."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain import numerics
from dtrain.check import costs, fresh, purity
from dtrain.check.advice import Machine, advice
from dtrain.check.coupling import agree
from dtrain.check.split import Watch, choose_split, random_modules, sums, twin
from dtrain.check.weights import EXACT, compare
from dtrain.cli.main import entry
from dtrain.errors import ImpureError, JobError
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.schedule import Schedule
from dtrain.trainer import Trainer
from tests.user import checked_jobs as jobs

Call = Callable[[str], tuple[int, str, str]]

JOBS = Path(jobs.__file__)
SLOW = Machine(2, 8, 0.1, 0.001, 1, False, 1e-5, 1e-4, 1e-3, 1e-3)  # a leaf takes 0.1 s


@pytest.fixture(autouse=True)
def _found_by_child_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(numerics.__file__).parents[1]))


# ------------------------------------------------------------------------------- 1 or M leaves


@pytest.mark.parametrize("job", [jobs.Plain(), jobs.Tokens(), jobs.Augmented()])
def test_right_weights_agree_in_float64_however_the_batch_is_cut(job: Job) -> None:
    found = compare(job)
    assert found.verdict == "equal", found.text
    assert found.difference is not None
    assert found.difference < 1e-12
    assert found.text.startswith("ok: 1 leaf and 4 leaves give the same mean gradient in float64")


def test_dropout_is_left_out_and_that_is_said() -> None:
    assert "with MultiheadAttention, Dropout in evaluation mode" in compare(jobs.Tokens()).text


def test_dropout_by_its_function_is_left_out_with_every_module_without_buffers() -> None:
    found = compare(jobs.ByFunction())
    assert found.verdict == "equal"
    assert "with all modules without buffers in evaluation mode" in found.text


def test_only_modules_that_would_draw_are_left_out() -> None:
    names = [random_modules(jobs.Tokens(dropout=p).model()) for p in (0.0, 0.1)]
    assert ["1.self_attn" in each for each in names] == [False, True]


def test_batchnorm_is_named_and_its_weights_are_compared_without_it() -> None:
    found = compare(jobs.ConvNet())
    assert found.verdict == "coupled"
    assert found.coupled == ("BatchNorm2d '1.1'",)
    assert "(batch_size / micro_batches = 8) is part of the model" in found.text
    assert found.difference is not None
    assert found.difference < EXACT


@pytest.mark.parametrize(
    "job", [jobs.MeanOfMeans(), jobs.MeanWithTokens(), jobs.EqualWeights(), jobs.Divided()]
)
def test_a_wrong_weight_is_found_and_what_to_return_is_said(job: Job) -> None:
    found = compare(job)
    assert found.verdict == "wrong", found.text
    assert "the weight is not what the mean was divided by" in found.text
    assert "return (sum over tokens, number of tokens)" in found.text


def test_a_wrong_weight_beside_batchnorm_is_found_too() -> None:
    both = type("Both", (jobs.EqualWeights,), {"model": jobs.ConvNet.model})
    assert compare(both()).verdict == "wrong"


def test_a_penalty_that_is_added_once_a_leaf_is_told_from_a_wrong_weight() -> None:
    found = compare(jobs.Penalty())
    assert found.verdict == "wrong"
    assert "a term, such as a penalty on the weights, is added once a leaf" in found.text


def test_a_loss_that_compares_samples_with_each_other_is_no_mistake() -> None:
    found = compare(jobs.Contrastive())
    assert (found.verdict, found.coupled) == ("coupled", ("loss",))


def test_a_module_that_couples_in_evaluation_too_is_named() -> None:
    found = compare(jobs.Centring())
    assert (found.verdict, found.coupled) == ("coupled", ("Centred '1'",))
    assert "could not be compared" in found.text


def test_random_numbers_of_the_leaf_are_not_compared() -> None:
    assert compare(jobs.Noisy()).text == (
        "not compared: loss draws random numbers, other ones in each leaf"
    )


def test_a_batch_that_cannot_be_cut_differently_is_not_compared_and_the_reason_said() -> None:
    found = compare(jobs.FixedLeaf())
    assert found.verdict == "not compared"
    assert "cannot be cut into other leaves" in found.text
    assert "RuntimeError" in found.text


def test_a_job_that_computes_in_float32_anyway_is_equal_up_to_that() -> None:
    found = compare(jobs.Single())
    assert found.verdict == "equal"
    assert "as something computes in float32" in found.text


def test_a_job_that_cannot_compute_in_float64_is_compared_in_its_own_dtype() -> None:
    found = compare(jobs.SingleOnly())
    assert found.verdict == "equal"
    assert "mean gradient in float32" in found.text


def test_a_single_sample_leaves_nothing_to_compare() -> None:
    assert choose_split(leaf_size=8, micro_batches=4, samples=1) is None


@given(st.integers(1, 4096), st.integers(1, 64), st.integers(3, 10**6))
def test_a_comparison_is_small_and_its_last_leaf_is_shorter(
    leaf_size: int, micro_batches: int, samples: int
) -> None:
    split = choose_split(leaf_size, micro_batches, samples)
    assert split is not None
    schedule = Schedule(samples, split.samples, split.leaves, epochs=1)
    sizes = [hi - lo for lo, hi in (schedule.leaf(0, k) for k in range(schedule.leaves(0)))]
    assert len(sizes) == split.leaves >= 2
    assert split.samples <= min(64, samples)
    assert sizes[-1] < sizes[0]


def test_a_leaf_that_draws_is_noticed_and_one_that_does_not_is_not() -> None:
    drew = [sums(twin(job), Watch()).drew for job in (jobs.Noisy(), jobs.Plain())]
    assert drew == [True, False]


@pytest.mark.parametrize("axis", [0, 1])
def test_parts_are_the_whole_along_the_axis_of_samples(axis: int) -> None:
    whole = np.arange(24.0).reshape(4, 6)
    parts = np.array_split(whole, [1, 3], axis)
    assert agree(whole, parts, 1e-9) is True
    assert agree(whole + 1e-3, parts, 1e-9) is False


def test_arrays_that_fit_along_no_axis_say_nothing() -> None:
    assert agree(np.zeros((4, 6)), [np.zeros((2, 5)), np.zeros((2, 6))], 1e-9) is None


# -------------------------------------------------------------------------------------- purity


def test_the_same_job_is_seen_alike_in_both_orders() -> None:
    seen = [fresh.observe(LeafComputer(jobs.ConvNet()), backwards) for backwards in (False, True)]
    purity.require_same(seen)
    assert seen[1]["leaf_bytes"] > 0


def test_fresh_processes_compute_the_same() -> None:
    here = fresh.observe(LeafComputer(jobs.Plain(times=2.0)))
    there = purity.in_fresh_processes(jobs.Plain(), f"{JOBS}:Plain", {"times": 2.0})
    purity.require_same([here, *there])
    assert len(there) == 2


def test_weights_that_depend_on_the_process_are_found_and_named() -> None:
    there = purity.in_fresh_processes(jobs.OfProcess(), f"{JOBS}:OfProcess", {})
    with pytest.raises(ImpureError, match=r"the initial value of 2\.weight differed"):
        purity.require_same(there)


def test_a_leaf_that_depends_on_those_before_it_is_found() -> None:
    seen = [fresh.observe(LeafComputer(jobs.OfOrder()), backwards) for backwards in (False, True)]
    with pytest.raises(ImpureError, match=r"the gradient of 0\.weight differed"):
        purity.require_same(seen)


def test_a_job_that_fails_in_a_fresh_process_says_why(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="fails, as this one did not: there is no file"):
        purity.in_fresh_processes(jobs.Plain(), str(tmp_path / "absent.py"), {})


def test_a_fresh_process_that_does_not_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(purity, "DEADLINE_S", 0.0)
    with pytest.raises(JobError, match="does not come to an end"):
        purity.in_fresh_processes(jobs.Plain(), f"{JOBS}:Plain", {})


# ----------------------------------------------------------------------------- costs and advice


def test_sizes_are_counted_from_the_layout() -> None:
    size = costs.size_of(LeafComputer(jobs.ConvNet()).layout)
    assert (size.trained, size.frozen, size.chunks) == (12 + 3 + 3 + 3 + 18 + 3, 0, 1)
    assert size.weight_bytes - size.gradient_bytes == 3 * 4 + 3 * 4 + 8  # BatchNorm's buffers


def test_an_update_knows_its_optimizer_and_the_bytes_of_its_state() -> None:
    update = costs.update_of(Trainer(LeafComputer(jobs.Plain())))
    gradient_bytes = costs.size_of(LeafComputer(jobs.Plain()).layout).gradient_bytes
    assert (update.optimizer, update.state_bytes) == ("AdamW", 2 * gradient_bytes)


def test_an_evaluation_is_complete_where_that_is_quick() -> None:
    found = costs.evaluation_of(LeafComputer(jobs.Plain()))
    assert found is not None
    assert (found.leaves, found.of, sorted(found.metrics)) == (7, 7, ["accuracy", "loss"])


def test_of_a_long_evaluation_one_leaf_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "EVALUATION_S", 0.0)
    found = costs.evaluation_of(LeafComputer(jobs.Plain()))
    assert found is not None
    assert (found.leaves, found.of) == (1, 7)


def test_sending_is_measured_through_a_real_socket() -> None:
    sending = costs.sending_of(LeafComputer(jobs.Plain(chunk_elements=16)).layout)
    assert 0 < sending.message_s < sending.gradient_s


def test_measuring_half_a_leaf_leaves_the_schedule_as_it_was() -> None:
    computer = LeafComputer(jobs.Plain())
    before = computer.schedule
    assert costs.fixed_seconds(computer) >= 0
    assert computer.schedule is before


def test_long_leaves_are_for_workers() -> None:
    first, second = advice(SLOW)
    assert first.startswith("--workers 2 is about 1.9 times as fast")
    assert second == "2 cores: 8 leaves give each of 2 workers 4 a step"


def test_short_leaves_are_for_one_process_until_the_batch_is_larger() -> None:
    first, _ = advice(replace(SLOW, leaf_s=1e-3, fixed_s=1e-4))
    assert first.startswith("use --workers 0 here: a step computes for 9.1 ms, its sending")
    assert "workers pay from about 8 times this batch_size on" in first


@pytest.mark.parametrize(
    ("cores", "leaves", "words"),
    [
        (1, 8, "1 core: use --workers 0 here"),
        (4, 1, "1 leaf a step: use --workers 0 here"),
        (4, 2, "4 cores, but 2 leaves a step: micro_batches=4 uses all cores"),
        (3, 8, "8 leaves do not share evenly among 3 cores; micro_batches=9 do"),
    ],
)
def test_micro_batches_are_to_suit_the_cores(cores: int, leaves: int, words: str) -> None:
    machine = replace(SLOW, cores=cores, leaves=leaves)
    assert any(line.startswith(words) for line in advice(machine))


def test_leaves_that_are_mostly_overhead_should_be_fewer() -> None:
    machine = replace(SLOW, leaf_s=1e-3, fixed_s=9e-4)
    assert advice(machine)[1].startswith("90% of a leaf's time does not depend on its samples")


# -------------------------------------------------------------------------------- the command


def test_the_command_says_everything_in_json_for_a_job_with_batchnorm() -> None:
    command = [sys.executable, "-m", "dtrain", "check", f"{JOBS}:ConvNet", "--json"]
    command += ["--set", "batch_size=16"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    assert found["purity"]["same_bits"]
    assert found["weights"]["coupled"] == ["BatchNorm2d '1.1'"]
    assert (found["leaves"], found["leaf_size"]) == (4, 4)
    assert found["evaluation"]["metrics"].keys() == {"accuracy", "loss"}
    assert min(found[key] for key in ("leaf_seconds", "leaf_bytes", "process_bytes")) > 0
    [_, about_leaves] = found["advice"]
    assert ("micro_batches=" in about_leaves) == ("change batch_size in proportion" in about_leaves)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """`dtrain check` of one of the jobs in this process, without fresh ones."""

    def here(job: Job, *_: object) -> list[purity.Seen]:
        return [fresh.observe(LeafComputer(job), backwards=True)] * 2

    def run(name: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = entry(["check", f"{JOBS}:{name}"])
        return code, *capfd.readouterr()

    monkeypatch.setattr(purity, "in_fresh_processes", here)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, value in numerics.pins(1, "native").items():
        monkeypatch.setenv(name, value)  # so that the command does not start this process again
    return run


def test_the_command_ends_with_2_for_a_wrong_weight_and_says_the_rest_too(call: Call) -> None:
    code, out, err = call("MeanOfMeans")
    assert code == 2
    assert err.startswith("dtrain: the same samples have the mean loss")
    rows = {line.split()[0] for line in out.splitlines()}
    assert {"purity", "weights", "evaluation", "memory", "wire", "advice"} <= rows
    assert "wrong, see below" in out


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("Watching", "the evaluation has no 'f1'"),
        ("Patient", "patience=3, but Patient.eval_data gives nothing to evaluate"),
        ("Plateaus", "lr_scheduler needs evaluations, but eval_data gives nothing"),
    ],
)
def test_what_cannot_be_watched_is_a_mistake(call: Call, job: str, words: str) -> None:
    code, out, err = call(job)
    assert (code, out) == (2, "")
    assert words in err
