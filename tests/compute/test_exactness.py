"""Unequal leaves are exact: whatever the micro-batches, the step is that of the whole batch."""

from typing import Any

import numpy as np
import pytest

from dtrain.autograd import Tensor
from dtrain.data import TensorDataset
from dtrain.nn import Linear, Module
from dtrain.nn import functional as F
from dtrain.optim import SGD, Optimizer
from tests.compute.jobs import IGNORED, Classify, Tokens, trained

EXACT = 1e-12  # float64


def weights_of(job: Classify, steps: int | None = None) -> np.ndarray:
    trainer, _ = trained(job, steps)
    return np.concatenate([array.ravel() for array in trainer.state_dict().values()])


def losses_of(job: Classify) -> list[float]:
    return [record.loss for record in trained(job)[1]]


@pytest.mark.parametrize("micro_batches", [2, 3, 7, 8, 64])
def test_any_number_of_leaves_gives_the_weights_of_the_whole_batch(micro_batches: int) -> None:
    whole = weights_of(Classify(batch_size=64, micro_batches=1, samples=128))
    split = weights_of(Classify(batch_size=64, micro_batches=micro_batches, samples=128))
    np.testing.assert_allclose(split, whole, rtol=0, atol=EXACT)


def test_a_short_last_batch_gives_the_weights_of_the_whole_batch() -> None:
    whole = weights_of(Classify(batch_size=16, micro_batches=1, samples=37))
    split = weights_of(Classify(batch_size=16, micro_batches=4, samples=37))
    np.testing.assert_allclose(split, whole, rtol=0, atol=EXACT)


def test_a_batch_that_its_leaves_do_not_divide_is_exact() -> None:
    whole = weights_of(Classify(batch_size=10, micro_batches=1, samples=40))
    split = weights_of(Classify(batch_size=10, micro_batches=3, samples=40))
    np.testing.assert_allclose(split, whole, rtol=0, atol=EXACT)


def test_token_weights_with_an_all_ignored_leaf_are_exact() -> None:
    whole = Tokens(batch_size=16, micro_batches=1)
    split = Tokens(batch_size=16, micro_batches=4)
    np.testing.assert_allclose(weights_of(split), weights_of(whole), rtol=0, atol=EXACT)
    np.testing.assert_allclose(losses_of(split), losses_of(whole), rtol=0, atol=EXACT)


class MeanOfMeans(Tokens):
    """The usual mistake: every leaf's mean counts alike."""

    def loss(self, model: Module, batch: Any) -> Any:
        x, y = batch
        return F.cross_entropy(model(x), y, ignore_index=IGNORED), 1.0

    def order(self, n: int, epoch: int) -> Any:
        return np.arange(n)[::-1]  # every leaf has some label here


def test_the_usual_mean_of_means_is_not_exact() -> None:
    whole = weights_of(MeanOfMeans(batch_size=16, micro_batches=1), 1)
    split = weights_of(MeanOfMeans(batch_size=16, micro_batches=4), 1)
    assert np.abs(split - whole).max() > 1e-4


class Line(Classify):
    """One weight, so that a step can be done in the head."""

    batch_size: int = 3
    micro_batches: int = 2
    epochs: int = 1

    def model(self) -> Module:
        model = Linear(1, 1, bias=False)
        model.weight._array[...] = 1.0
        return model

    def optimizer(self, model: Module) -> Optimizer:
        return SGD(model.parameters(), lr=0.5)

    def train_data(self) -> Any:
        return TensorDataset(np.array([[1.0], [2.0], [4.0]]))

    def eval_data(self) -> Any:
        return None

    def order(self, n: int, epoch: int) -> Any:
        return range(n)

    def loss(self, model: Module, batch: list[Tensor]) -> Tensor:
        return model(batch[0]).mean()


def test_the_step_divides_once_by_the_number_of_samples() -> None:
    [weight] = weights_of(Line())
    assert weight == 1.0 - 0.5 * (1 + 2 + 4) / 3
