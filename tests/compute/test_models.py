"""The models that people train hold inside a job: the bits do not depend on who computed what."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

from dtrain import (
    amp,
    float32,
    float64,
    get_default_dtype,
    is_grad_enabled,
    nn,
    no_grad,
    optim,
    randn,
    random,
    set_default_dtype,
    set_grad_enabled,
    set_num_threads,
    zeros,
)
from dtrain.autograd import Tensor
from dtrain.autograd.modes import is_anomaly_enabled, set_detect_anomaly
from dtrain.errors import JobError, LeafError
from dtrain.gradsum import GradSum
from dtrain.layout import Array
from dtrain.leaf import LeafComputer
from dtrain.probe import identify, probe
from dtrain.trainer import Trainer
from dtrain.tree import fold, root
from tests.compute.jobs import trained
from tests.compute.models import (
    CLASSES,
    JOBS,
    OPTIMIZERS,
    WORDS,
    Bagged,
    Optimized,
    Small,
    Tied,
)

Compute = Callable[[Trainer, int], GradSum]  # a leaf of the step under way

NAMES = sorted(JOBS)
MODELS = [name for name in NAMES if name not in OPTIMIZERS]
COUPLED = {"convolutional", "cumulative", "counted"}  # a leaf's samples: by a norm, by counts


def job(name: str, **settings: Any) -> Small:
    kind, own = JOBS[name]
    return kind(**{**own, **settings})


def stepped(trainer: Trainer, leaves: dict[int, GradSum]) -> None:
    """A step from leaves that are there already."""
    total = fold(root(len(leaves)), len(leaves), lambda leaf: leaves[leaf])
    for index, part in enumerate(total.parts):
        trainer.apply(index, part)
    trainer.commit()


def digest(name: str, order: Callable[[int], list[int]], compute: Compute) -> str:
    """Of a run in which the leaves of each step are computed in this order and way."""
    trainer = Trainer(LeafComputer(job(name)))
    schedule = trainer.computer.schedule
    for step in range(schedule.steps):
        turns = order(schedule.leaves(step))
        stepped(trainer, {leaf: compute(trainer, leaf) for leaf in turns})
    return trainer.digest()


def plainly(trainer: Trainer, leaf: int) -> GradSum:
    return trainer.computer.train(trainer.version, leaf)


def freshly(trainer: Trainer, leaf: int) -> GradSum:
    """By somebody who has just joined."""
    computer = LeafComputer(job_of(trainer))
    computer.bind(trainer.computer.vectors, trainer.computer.buffers)
    return computer.train(trainer.version, leaf)


def amid_others(trainer: Trainer, leaf: int) -> GradSum:
    """By somebody who computes other leaves and an evaluation before, and draws numbers."""
    computer, step = trainer.computer, trainer.version
    leaves = computer.schedule.leaves(step)
    for other in (leaf + 1, leaf + 2):
        computer.train((step + other) % computer.schedule.steps, other % leaves)
    if computer.schedule.eval_leaves:
        computer.evaluate(step, 0)
    random.default_generator.normal((3,))
    return computer.train(step, leaf)


def job_of(trainer: Trainer) -> Any:
    old = trainer.computer.job
    return type(old)(**old.settings())


@pytest.fixture(scope="module")
def alone() -> Callable[[str], str]:
    """The digest of a plain run in one process."""
    known: dict[str, str] = {}

    def of(name: str) -> str:
        if name not in known:
            known[name] = trained(job(name))[0].digest()
        return known[name]

    return of


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("order", "compute"),
    [
        (lambda n: list(range(n))[::-1], plainly),
        (lambda n: list(range(n)), freshly),
        (lambda n: [*range(1, n, 2), *range(0, n, 2)], amid_others),
    ],
    ids=["backwards", "by newcomers", "amid others"],
)
def test_the_digest_does_not_depend_on_who_computed_which_leaf_when(
    name: str, order: Any, compute: Compute, alone: Callable[[str], str]
) -> None:
    assert digest(name, order, compute) == alone(name)


@pytest.mark.parametrize("name", MODELS)
def test_a_leaf_of_every_model_is_a_pure_function(name: str) -> None:
    one, other = (probe(LeafComputer(job(name))) for _ in range(2))
    assert one.hash == other.hash


ADDITIVE = [name for name in NAMES if name not in {*COUPLED, "random"}]


@pytest.mark.parametrize("name", ADDITIVE)
def test_eight_leaves_give_the_weights_of_one_where_samples_are_not_coupled(name: str) -> None:
    one, eight = (weights(name, micro_batches) for micro_batches in (1, 8))
    np.testing.assert_allclose(eight, one, rtol=0, atol=1e-10)


def weights(name: str, micro_batches: int) -> Array:
    """All parameters after a run without noise."""
    settings: dict[str, Any] = {"noise": 0.0, "dtype": "float64", "micro_batches": micro_batches}
    computer = trained(job(name, **settings))[0].computer
    return np.concatenate([tensor._array.ravel() for tensor in computer.tensors])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_optimizer_shows_in_which_order_leaves_came_or_how_large_chunks_were(
    name: str, alone: Callable[[str], str]
) -> None:
    digests = {trained(job(name, chunk_elements=size))[0].digest() for size in (16, 48)}
    assert {*digests, digest(name, lambda n: list(range(n))[::-1], plainly)} == {alone(name)}


@pytest.mark.parametrize("name", MODELS)
def test_weights_and_buffers_are_left_as_they_were_by_a_leaf(name: str) -> None:
    computer = LeafComputer(job(name))
    held = [*computer.vectors.values(), *computer.buffers]
    before = [array.tobytes() for array in held]
    computer.train(0, 0)
    assert [array.tobytes() for array in held] == before
    tensors = [*computer.model.parameters(), *computer.model.buffers()]
    assert not any(tensor._array.flags.writeable for tensor in tensors)


# ------------------------------------------------------------------- what a leaf leaves behind


class Meddling(Optimized):
    """Meddles with what outlives a leaf, in step 0 alone."""

    meddle: ClassVar[Callable[..., Any]]

    def loss(self, model: nn.Module, batch: Any) -> Any:
        if self.step == 0 and model.training:
            type(self).meddle(model)
        return super().loss(model, batch)


def meddling(meddle: Callable[..., Any]) -> Meddling:
    return type("Meddles", (Meddling,), {"meddle": staticmethod(meddle)})()


def hook_with_noise(model: Any) -> None:
    model[2].weight.register_hook(lambda g: g + randn(g.shape))


def hook_module(model: Any) -> None:
    model[2].register_forward_hook(lambda module, args, out: 2 * out)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda model: set_detect_anomaly(True),
        lambda model: set_default_dtype(float64),
        lambda model: np.seterr(all="raise"),
        lambda model: model[0].requires_grad_(False),
        lambda model: model[2].bias.register_hook(lambda g: 2 * g),
        hook_with_noise,
        hook_module,
    ],
    ids=["anomaly", "dtype", "errors", "frozen", "hook", "noisy hook", "module hook"],
)
def test_what_a_leaf_changes_in_model_and_settings_ends_with_it(meddle: Any) -> None:
    kept = np.geterr(), get_default_dtype(), is_anomaly_enabled()
    with_history, newcomer = (LeafComputer(meddling(meddle)) for _ in range(2))
    for leaf in (0, 1):
        with_history.train(0, leaf)
    assert bits(with_history, 1, 2) == bits(newcomer, 1, 2)
    assert (np.geterr(), get_default_dtype(), is_anomaly_enabled()) == kept


def test_what_a_job_sets_while_it_is_built_ends_with_each_method() -> None:
    class Sets(Optimized):
        def model(self) -> nn.Module:
            set_default_dtype(float64)
            return super().model()

    LeafComputer(Sets())
    assert get_default_dtype() == float32


def test_a_job_is_refused_under_a_default_dtype_that_other_processes_would_not_have() -> None:
    set_default_dtype(float64)
    try:
        with pytest.raises(JobError, match="the default dtype was set to"):
            LeafComputer(job("SGD"))
    finally:
        set_default_dtype(float32)


def test_the_number_of_threads_is_not_a_leafs_to_set() -> None:
    computer = LeafComputer(meddling(lambda model: set_num_threads(2)))
    with pytest.raises(JobError, match="blas_threads"):
        computer.train(0, 0)


def test_a_loss_that_nobody_would_scale_back_is_an_error() -> None:
    class Scaled(Optimized):
        def loss(self, model: nn.Module, batch: Any) -> Any:
            return amp.GradScaler("cpu").scale(super().loss(model, batch))

    with pytest.raises(JobError, match="scale the gradients back"):
        LeafComputer(Scaled()).train(0, 0)


def bits(computer: LeafComputer, step: int, leaf: int) -> dict[str, str]:
    return identify(computer.layout, computer.train(step, leaf))


def test_a_leaf_that_switches_gradients_off_for_good_leaves_them_on_for_the_next() -> None:
    class Switches(Optimized):
        def loss(self, model: nn.Module, batch: Any) -> Any:
            value = super().loss(model, batch)
            set_grad_enabled(False)
            return value

    computer, plain = LeafComputer(Switches()), LeafComputer(job("SGD"))
    assert [bits(computer, 0, leaf) for leaf in (0, 1)] == [bits(plain, 0, leaf) for leaf in (0, 1)]
    assert is_grad_enabled()


def test_a_leaf_records_gradients_whatever_the_thread_does() -> None:
    computer = LeafComputer(job("SGD"))
    expected = bits(computer, 0, 0)
    with no_grad():
        assert bits(computer, 0, 0) == expected


class Keeping(Optimized):
    """Adds noise to gradients by hooks, and keeps a part of the first leaf's graph."""

    def model(self) -> nn.Module:
        model = super().model()
        for parameter in model.parameters():
            parameter.register_hook(lambda g: g + randn(g.shape))
        return model

    def loss(self, model: Any, batch: Any) -> Any:
        if not hasattr(self, "kept"):
            self.kept = model[2].weight * 2
        return super().loss(model, batch)


def test_a_graph_that_an_earlier_leaf_kept_does_not_change_the_order_of_backward() -> None:
    with_history, newcomer = LeafComputer(Keeping()), LeafComputer(Keeping())
    with_history.train(0, 0)
    newcomer.job.kept = None  # type: ignore[attr-defined]
    assert bits(with_history, 0, 1) == bits(newcomer, 0, 1)


class Averaging(nn.Module):
    """Keeps an average in a buffer, and forgets to take it out of the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, CLASSES)
        self.register_buffer("average", zeros(2, CLASSES)[0], rule="last")

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x)
        self.average.mul_(0.9).add_(out.mean(0), alpha=0.1)
        return out - self.average


def test_a_buffer_that_a_leaf_put_into_its_graph_is_out_of_it_for_the_next() -> None:
    def fresh() -> LeafComputer:
        return LeafComputer(type("Averages", (Optimized,), AVERAGING)())

    computer = fresh()
    computer.train(0, 0)
    assert bits(computer, 0, 1) == bits(fresh(), 0, 1)


AVERAGING: dict[str, Any] = {
    "model": lambda self: Averaging(),
    "optimizer": lambda self, model: optim.SGD(model.parameters(), lr=0.1),
}


def replace_weight(model: Any) -> None:
    model[0].weight = nn.Parameter(model[0].weight.detach().clone())


def add_layer(model: Any) -> None:
    model.append(nn.Linear(CLASSES, CLASSES))


@pytest.mark.parametrize("meddle", [replace_weight, add_layer])
def test_a_leaf_that_replaces_or_adds_parameters_is_told_where_to_do_that(meddle: Any) -> None:
    with pytest.raises(JobError, match=r"step 0, leaf 0: .*make all of them in model\(\)"):
        LeafComputer(meddling(meddle)).train(0, 0)


def test_training_what_is_frozen_in_the_model_is_an_error_that_names_it() -> None:
    class Thawing(Tied):
        def loss(self, model: nn.Module, batch: Any) -> Any:
            model.requires_grad_()
            return super().loss(model, batch)

    with pytest.raises(JobError, match=r"step 0, leaf 0: scale .*is frozen in model"):
        LeafComputer(Thawing()).train(0, 0)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda model: model[0].requires_grad_(False),
        lambda model: model[0].weight.register_hook(lambda g: 2 * g),
        hook_module,
        add_layer,
    ],
    ids=["frozen", "hook", "module hook", "layer"],
)
def test_an_optimizer_method_that_changes_the_model_is_refused(meddle: Any) -> None:
    class Changing(Optimized):
        def optimizer(self, model: nn.Module) -> optim.Optimizer:
            made = super().optimizer(model)
            meddle(model)
            return made

    with pytest.raises(JobError, match=r"optimizer changed the model.*in model\(\)"):
        Trainer(LeafComputer(Changing()))


@pytest.mark.parametrize(
    ("hang", "words"),
    [
        (
            lambda made: made.register_step_pre_hook(lambda *_: None),
            "hooks on the optimizer's step",
        ),
        (lambda made: optim.lr_scheduler.StepLR(made, 2), "return it from lr_scheduler"),
    ],
    ids=["hook", "schedule"],
)
def test_what_hangs_on_an_optimizers_step_is_refused_as_a_job_never_calls_that(
    hang: Any, words: str
) -> None:
    class Hanging(Optimized):
        def optimizer(self, model: nn.Module) -> optim.Optimizer:
            made = super().optimizer(model)
            hang(made)
            return made

    with pytest.raises(JobError, match=words):
        Trainer(LeafComputer(Hanging()))


def test_an_embedding_with_max_norm_says_that_leaves_do_not_change_weights() -> None:
    class Bounded(Bagged):
        def model(self) -> nn.Module:
            model: Any = super().model()
            model["rows"] = nn.Embedding(WORDS, 5, max_norm=0.1)
            return model

    with pytest.raises(LeafError, match="max_norm changes weights in forward"):
        LeafComputer(Bounded()).train(0, 0)
