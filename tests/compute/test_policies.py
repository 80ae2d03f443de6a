"""What the trainer does between the root and the weights: clipping, rates, averages, skipping.

The dumb twin is the loop that a person writes by hand: leaves one after another, gradients of sums
accumulated, divided once, clipped by `nn.utils`, stepped by the optimizer, then the scheduler.
"""

import math
from typing import Any

import numpy as np
import pytest

from dtrain import nn, optim
from dtrain.digest import digest
from dtrain.errors import JobError, NonFiniteError
from dtrain.leaf import LeafComputer
from dtrain.nn import Module
from dtrain.optim import SGD, AdamW, Optimizer, lr_scheduler
from dtrain.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from dtrain.trainer import Trainer
from tests.compute.jobs import Branching, Classify, trained, trainer_of


class Scheduled(Classify):
    """Warm-up and decay."""

    optimizer_name: str = "sgd"

    def optimizer(self, model: Module) -> Optimizer:
        if self.optimizer_name == "adamw":
            return AdamW(model.parameters(), lr=0.05)
        return SGD(model.parameters(), lr=0.1, momentum=0.9)

    def lr_scheduler(self, optimizer: Optimizer) -> Any:
        return lr_scheduler.LambdaLR(optimizer, lambda n: (n + 1) / (n + 3))


def by_hand(job: Classify, average: bool = False) -> tuple[dict[str, Any], Any]:
    """Final weights, and the averaged model, of the loop that a person writes."""
    computer = LeafComputer(job)
    model = job.model()
    model.to(np.dtype(job.dtype))
    model.load_state_dict({n: nn.Parameter(p._array.copy()) for n, p in
                           computer.model.named_parameters()})  # fmt: skip
    optimizer = job.optimizer(model)
    scheduler = job.lr_scheduler(optimizer)
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(job.ema or 0.9))
    for step in range(computer.schedule.steps):
        optimizer.zero_grad()
        weight = sum(_backward(job, computer, model, step, k) for k in _leaves(computer, step))
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad._array[...] /= weight
        if job.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), job.clip_grad_norm)
        if job.clip_grad_value is not None:
            nn.utils.clip_grad_value_(model.parameters(), job.clip_grad_value)
        optimizer.step()
        ema.update_parameters(model)
        by_step = job.lr_scheduler_interval == "step"
        if scheduler is not None and (by_step or computer.schedule.ends_epoch(step)):
            scheduler.step()
    return {n: p._array for n, p in model.named_parameters()}, ema


def _leaves(computer: LeafComputer, step: int) -> range:
    return range(computer.schedule.leaves(step))


def _backward(job: Classify, computer: LeafComputer, model: Module, step: int, leaf: int) -> int:
    lo, hi = computer.schedule.leaf(step, leaf)
    order = job.order(computer.schedule.samples, computer.schedule.batch(step).epoch)
    samples = [computer.train_data[int(i)] for i in order[lo:hi]]
    job._enter_leaf(step, 0)
    loss = job.loss(model, job.collate(samples))
    job._leave_leaf(0.0)
    (loss * (hi - lo)).backward()
    return hi - lo


def assert_like_by_hand(job: Classify) -> None:
    trainer, _ = trained(job)
    expected, _ = by_hand(job)
    for name, array in trainer.state_dict().items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_schedule_is_that_of_a_loop_by_hand(name: str, interval: str) -> None:
    assert_like_by_hand(Scheduled(optimizer_name=name, lr_scheduler_interval=interval))


@pytest.mark.parametrize("most", [1e-3, 0.3, 1e3])
def test_clipping_by_norm_is_that_of_a_loop_by_hand(most: float) -> None:
    assert_like_by_hand(Scheduled(clip_grad_norm=most))


@pytest.mark.parametrize("most", [1e-3, 0.02])
def test_clipping_by_value_is_that_of_a_loop_by_hand(most: float) -> None:
    assert_like_by_hand(Scheduled(clip_grad_value=most))


def test_clipping_by_norm_leaves_out_what_no_leaf_reached() -> None:
    trainer, records = trained(Branching(clip_grad_norm=0.01), steps=2)
    names = [parameter.name for parameter in trainer.computer.layout.parameters]
    assert all(record.grad_norm is not None for record in records)
    assert trainer.updates[names.index("seldom.weight")] == 1


@pytest.mark.parametrize("settings", [{"clip_grad_norm": 0.05}, {"clip_grad_value": 0.01}])
def test_clipping_is_the_same_bits_for_any_chunks(settings: dict[str, float]) -> None:
    whole, _ = trained(Classify(**settings))
    cut, _ = trained(Classify(chunk_elements=16, **settings))
    assert whole.digest() == cut.digest()


def test_the_norm_before_clipping_is_recorded() -> None:
    _, [record] = trained(Classify(clip_grad_norm=1e-3), steps=1)
    assert record.grad_norm is not None
    assert record.grad_norm > 1e-3


def test_a_recorded_rate_is_the_one_that_its_step_used() -> None:
    _, records = trained(Scheduled(), steps=3)
    assert [r.lr for r in records] == [pytest.approx(0.1 * (n + 1) / (n + 3)) for n in range(3)]


# -------------------------------------------------------------------------------- averages


def test_the_average_is_that_of_swa_utils() -> None:
    trainer, _ = trained(Scheduled(ema=0.9))
    _, ema = by_hand(Scheduled(ema=0.9))
    average = trainer.average_state_dict()
    assert average is not None
    for name, parameter in ema.module.named_parameters():
        np.testing.assert_allclose(average[name], parameter._array, rtol=1e-10, err_msg=name)


def test_an_average_changes_no_bit_of_the_training() -> None:
    assert trained(Classify(ema=0.99))[0].digest() == trained(Classify())[0].digest()


def test_tied_weights_have_one_average() -> None:
    class Tied(Classify):
        def model(self) -> Module:
            model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 4))
            model[1].weight = model[0].weight
            return model

    average = trained(Tied(ema=0.5))[0].average_state_dict()
    assert average is not None
    np.testing.assert_array_equal(average["0.weight"], average["1.weight"])


# ------------------------------------------------------------------------------- not finite


class Exploding(Classify):
    """Has a gradient of inf in step 2, leaf 1."""

    def loss(self, model: Module, batch: Any) -> Any:
        loss = super().loss(model, batch)
        return loss * (math.inf if (self.step, self._place()) == (2, 1) else 1.0)

    def _place(self) -> int:
        self.calls = getattr(self, "calls", -1) + 1
        return self.calls % 4


def test_a_step_whose_gradient_is_not_finite_is_skipped_whole() -> None:
    job = Exploding(on_nonfinite="skip")
    trainer, _ = trained(job, steps=2)
    before, updates = trainer.digest(), [*trainer.updates]
    record = trained_on(trainer)
    assert record.skipped == "the gradient of 0.weight is not finite"
    assert trainer.digest() == before
    assert trainer.updates == updates


def trained_on(trainer: Trainer) -> Any:
    from dtrain.local import take_step

    return take_step(trainer)


def test_by_default_such_a_step_ends_the_run() -> None:
    trainer, _ = trained(Exploding(), steps=2)
    with pytest.raises(NonFiniteError, match=r"step 2: the gradient of 0\.weight is not finite"):
        trained_on(trainer)


def test_skipping_changes_no_bit_where_all_is_finite() -> None:
    assert trained(Classify(on_nonfinite="skip"))[0].digest() == trained(Classify())[0].digest()


def test_a_skipped_step_leaves_the_buffers_as_they_are() -> None:
    class Normed(Exploding):
        def model(self) -> Module:
            return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))

    trainer, _ = trained(Normed(on_nonfinite="skip"), steps=2)
    before = digest(trainer.state_dict())
    trained_on(trainer)
    assert digest(trainer.state_dict()) == before


# ---------------------------------------------------------------------- evaluations and rates


class Watched(Classify):
    def lr_scheduler(self, optimizer: Optimizer) -> Any:
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)


def test_a_plateau_is_seen_at_the_evaluations() -> None:
    trainer = trainer_of(Watched(monitor="max accuracy"))
    rates = []
    for _ in range(3):
        while trainer.evaluated:
            trained_on(trainer)
        tail = trainer.computer.evaluate(trainer.version - 1, 0).tail
        trainer.evaluate(tail)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates[-1] < 0.1


def test_a_plateau_needs_something_to_evaluate_on() -> None:
    class Blind(Watched):
        def eval_data(self) -> Any:
            return None

    with pytest.raises(JobError, match="eval_data gives nothing"):
        trainer_of(Blind())


def test_patience_needs_something_to_evaluate_on() -> None:
    class Blind(Classify):
        def eval_data(self) -> Any:
            return None

    with pytest.raises(JobError, match="patience=2"):
        trainer_of(Blind(patience=2))


def test_a_monitored_metric_that_is_not_there_is_told_before_work_starts() -> None:
    with pytest.raises(JobError, match=r"has no 'acc'; it has accuracy, loss"):
        trainer_of(Classify(monitor="max acc"))


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda optimizer: 3, "not int"),
        (lambda optimizer: [lr_scheduler.StepLR(optimizer, 1)], "ChainedScheduler"),
        (
            lambda optimizer: lr_scheduler.StepLR(SGD([nn.Parameter(np.ones(1))], lr=1), 1),
            "another optimizer",
        ),
    ],
)
def test_a_scheduler_that_cannot_be_used_is_refused_in_words(returned: Any, words: str) -> None:
    class Odd(Classify):
        def lr_scheduler(self, optimizer: Optimizer) -> Any:
            return returned(optimizer)

    with pytest.raises(JobError, match=words):
        trainer_of(Odd())


def test_the_plan_is_known_where_rates_are_made() -> None:
    class Planned(Classify):
        def lr_scheduler(self, optimizer: Optimizer) -> Any:
            assert self.steps_per_epoch == 4
            return lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=self.total_steps)

    assert trained(Planned())[0].version == 12


# ------------------------------------------------------------------------- scaling the batch


def test_a_scaled_batch_has_as_many_leaves_more_of_the_same_size() -> None:
    plain, scaled = (
        LeafComputer(Classify()).schedule,
        LeafComputer(Classify(scale_batch=4)).schedule,
    )
    assert (plain.leaves(0), scaled.leaves(0)) == (4, 16)
    assert plain.leaf_size == scaled.leaf_size


@pytest.mark.parametrize(("chosen", "factor"), [("momentum", 4.0), ("adam", 2.0)])
def test_rates_grow_with_the_batch(chosen: str, factor: float) -> None:
    job = Classify(chosen=chosen, scale_batch=4, epochs=50)
    trainer = trainer_of(job)
    group = trainer.optimizer.param_groups[0]
    warmup = trainer.rates.growth.warmup
    rates = [
        trainer.rates.group(group, step)["lr"] for step in range(trainer.computer.schedule.steps)
    ]
    assert rates[0] == pytest.approx(group["lr"] * (1 + (factor - 1) / warmup))
    assert rates[warmup:] == [pytest.approx(group["lr"] * factor)] * len(rates[warmup:])
    assert warmup == 5


# -------------------------------------------------------------- what a job does by itself


def test_unfreezing_at_a_step_is_a_line_in_the_loss() -> None:
    class Thawing(Classify):
        def loss(self, model: Module, batch: Any) -> Any:
            model[0].requires_grad_(self.step >= 2)
            return super().loss(model, batch)

    trainer, _ = trained(Thawing(), steps=2)
    assert trainer.updates == [0, 0, 2, 2]
    trained_on(trainer)
    assert trainer.updates == [1, 1, 3, 3]


@pytest.mark.parametrize("name", ["LAMB", "LARS"])
def test_optimizers_of_whole_tensors_are_clipped_too(name: str) -> None:
    class Layerwise(Classify):
        def optimizer(self, model: Module) -> Optimizer:
            made: Optimizer = getattr(optim, name)(model.parameters(), lr=0.1)
            return made

    whole, _ = trained(Layerwise(clip_grad_norm=0.1))
    cut, _ = trained(Layerwise(clip_grad_norm=0.1, chunk_elements=16))
    assert whole.digest() == cut.digest() != trained(Layerwise())[0].digest()
