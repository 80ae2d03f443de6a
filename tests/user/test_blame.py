"""A mistake in any of the job's methods is one line that says where; what the log may take."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dtrain import Tensor, nn, optim
from dtrain.data import TensorDataset
from dtrain.errors import JobError
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.nn import functional as F
from dtrain.trainer import Trainer


class Good(Job):
    """Four samples, two leaves."""

    batch_size: int = 4
    micro_batches: int = 2

    def model(self) -> nn.Module:
        return nn.Linear(2, 2)

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.SGD(model.parameters(), lr=0.1)

    def train_data(self) -> Any:
        return TensorDataset(np.ones((4, 2), np.float32), np.zeros(4, np.int64))

    def eval_data(self) -> Any:
        return self.train_data()

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        return F.cross_entropy(model(batch[0]), batch[1])


def broken(name: str, mistake: Callable[[], Any]) -> type[Job]:
    """The job above with one method that makes a mistake."""
    return type("Odd", (Good,), {name: lambda self, *_: mistake()})


def wrong_value() -> None:
    raise ValueError("a wrong value")


@pytest.mark.parametrize("name", ["model", "train_data", "eval_data", "optimizer"])
def test_an_exception_in_a_method_is_one_line_with_method_and_place(name: str) -> None:
    with pytest.raises(JobError) as caught:
        Trainer(LeafComputer(broken(name, wrong_value)()))
    line = str(caught.value)
    assert line.startswith(f"Odd.{name}: ValueError: a wrong value (test_blame.py, line ")
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("name", ["model", "optimizer"])
def test_a_method_that_ends_the_process_is_a_mistake_of_the_job(name: str) -> None:
    with pytest.raises(JobError, match=name):
        Trainer(LeafComputer(broken(name, lambda: sys.exit(3))()))


def test_an_exception_in_summary_is_one_line_too() -> None:
    computer = LeafComputer(broken("summary", wrong_value)())
    with pytest.raises(JobError, match=r"Odd\.summary: ValueError: a wrong value"):
        Trainer(computer).metrics(computer.evaluate(0, 0).tail)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_logged_value_has_a_weight_that_can_be_summed(weight: float) -> None:
    def loss(self: Job, model: nn.Module, batch: Any) -> Tensor:
        self.log("odd", 1.0, weight=weight)
        return Good.loss(self, model, batch)

    with pytest.raises(JobError, match="odd"):
        LeafComputer(type("Odd", (Good,), {"loss": loss})()).train(0, 0)
