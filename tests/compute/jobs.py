"""Small jobs for the tests, and a loop that runs one without a recorder."""

from typing import Any

import numpy as np

from dtrain.autograd import Tensor, wrap
from dtrain.data import TensorDataset
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.local import take_step
from dtrain.nn import Linear, Module, Parameter, ReLU, Sequential
from dtrain.nn import functional as F
from dtrain.optim import SGD, Adam, AdamW, Optimizer
from dtrain.records import StepRecord
from dtrain.trainer import Trainer

CLASSES = 4
IGNORED = -100


def images(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random points, shape (n, 6), and classes that depend on them, shape (n,)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6))
    return x, (x @ rng.normal(size=(6, CLASSES))).argmax(1)


class Classify(Job):
    """A perceptron on random points."""

    epochs: int = 3
    batch_size: int = 16
    micro_batches: int = 4
    eval_batch_size: int = 8
    dtype: str = "float64"
    samples: int = 64
    hidden: int = 8
    chosen: str = "momentum"

    def model(self) -> Module:
        return Sequential(Linear(6, self.hidden), ReLU(), Linear(self.hidden, CLASSES))

    def optimizer(self, model: Module) -> Optimizer:
        parameters = model.parameters()
        match self.chosen:
            case "adam":
                return Adam(parameters, lr=0.01)
            case "adamw":
                return AdamW(parameters, lr=0.01, weight_decay=0.1)
        return SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)

    def train_data(self) -> Any:
        return TensorDataset(*images(self.samples))

    def eval_data(self) -> Any:
        return TensorDataset(*images(20, seed=1))

    def loss(self, model: Module, batch: Any) -> Any:
        x, y = batch
        logits = model(x)
        self.log("accuracy", (logits.argmax(1) == y).float().mean())
        return F.cross_entropy(logits, y)


class Tokens(Classify):
    """Labels of which some are ignored; the weight is the number of those that count."""

    ignored: float = 0.5

    def train_data(self) -> Any:
        x, y = images(self.samples)
        y[np.random.default_rng(2).random(len(y)) < self.ignored] = IGNORED
        y[:4] = IGNORED
        return TensorDataset(x, y)

    def order(self, n: int, epoch: int) -> Any:
        return np.arange(n)  # so that the first leaf of 4 has no label at all

    def loss(self, model: Module, batch: Any) -> Any:
        x, y = batch
        total = F.cross_entropy(model(x), y, ignore_index=IGNORED, reduction="sum")
        return total, (y != IGNORED).sum()


class Branches(Module):
    """Two layers, one of which is used only when it is asked for; and a frozen scale."""

    def __init__(self) -> None:
        super().__init__()
        self.always, self.seldom = Linear(6, CLASSES), Linear(6, CLASSES)
        self.scale = Parameter(wrap(np.full(CLASSES, 1.5, np.float32)), requires_grad=False)
        self.empty = Parameter(wrap(np.zeros((0, 3), np.float32)))

    def forward(self, x: Tensor, seldom: bool) -> Tensor:
        return (self.always(x) + self.seldom(x) if seldom else self.always(x)) * self.scale


class Branching(Classify):
    """Reaches the second layer in even steps alone."""

    def model(self) -> Module:
        return Branches()

    def loss(self, model: Module, batch: Any) -> Any:
        x, y = batch
        return F.cross_entropy(model(x, self.step % 2 == 0), y)


def trainer_of(job: Job) -> Trainer:
    return Trainer(LeafComputer(job))


def trained(job: Job, steps: int | None = None) -> tuple[Trainer, list[StepRecord]]:
    """The trainer after some steps, or after all, and what each step said."""
    trainer = trainer_of(job)
    count = trainer.computer.schedule.steps if steps is None else steps
    return trainer, [take_step(trainer) for _ in range(count)]
