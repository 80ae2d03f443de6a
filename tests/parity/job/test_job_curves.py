"""A job's curve is PyTorch's: leaves, BatchNorm, token weights, clipping, schedules, averages.

The jobs of `benchmarks/curves.py`, in fewer steps.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is the reference here")

from benchmarks import by_hand  # noqa: E402  it needs PyTorch
from benchmarks.curve_jobs import Characters, Cnn  # noqa: E402
from benchmarks.curves import Curves, difference, largest, train_both  # noqa: E402

WITHIN = 1e-9
STEPS = 40


def cnn() -> Cnn:
    return Cnn(max_steps=STEPS, samples=500, ema=0.9)


def characters() -> Characters:
    size = {"width": 32, "longest": 24, "batch_size": 12, "micro_batches": 3, "warm_up": 8}
    return Characters(max_steps=STEPS, ema=0.9, **size)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """PyTorch in one thread: these models are too small for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=[cnn, characters], ids=lambda make: make.__name__)
def curves(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Curves:
    return train_both(request.param(), tmp_path_factory.mktemp("run"))


def test_every_step_has_pytorchs_loss(curves: Curves) -> None:
    assert len(curves.losses) == len(curves.theirs.losses) == STEPS
    assert curves.differences.max() <= WITHIN


def test_every_step_has_pytorchs_rate(curves: Curves) -> None:
    assert len(set(curves.rates)) > STEPS / 2
    assert curves.largest["rates"] <= 1e-15


def test_the_final_weights_are_pytorchs(curves: Curves) -> None:
    assert curves.largest["weights"] <= WITHIN


def test_the_curves_say_something(curves: Curves) -> None:
    assert curves.losses[-1] < 0.8 * curves.losses[0]
    assert 0 < curves.clipped < STEPS


@pytest.mark.parametrize("curves", [cnn], indirect=True)
def test_the_buffers_of_batchnorm_are_pytorchs(curves: Curves) -> None:
    assert curves.theirs.state["1.num_batches_tracked"] > STEPS
    assert curves.largest["buffers"] <= WITHIN


def test_the_moving_average_is_that_of_pytorchs_averaged_model(curves: Curves) -> None:
    assert curves.largest["moving average"] <= WITHIN
    average, last = curves.theirs.average, curves.theirs.state
    assert largest(average, last, average) > 1e-3, "another state than the last: it says something"


def test_a_schedule_by_epochs_is_stepped_when_pytorchs_is(tmp_path: Path) -> None:
    job = Cnn(epochs=4, samples=240, lr_scheduler_interval="epoch")
    found = train_both(job, tmp_path)
    assert len(set(found.rates)) == 4
    assert max(found.largest.values()) <= WITHIN


def test_a_loop_that_does_not_clip_has_another_curve() -> None:
    unclipped, clipped = Cnn(max_steps=10, clip_grad_norm=None), Cnn(max_steps=10)
    losses = by_hand.train(unclipped).losses
    assert difference(losses, by_hand.train(clipped).losses).max() > 1e-3
