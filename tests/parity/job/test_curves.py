"""A job trains as PyTorch does from the same weights over the same batches."""

from typing import Any

import numpy as np
import pytest

from dtrain.data import datasets
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.local import take_step
from dtrain.nn import Linear, Module, ReLU, Sequential
from dtrain.nn import functional as F
from dtrain.optim import SGD, Adam, AdamW, Optimizer
from dtrain.trainer import Trainer

torch = pytest.importorskip("torch", reason="PyTorch is the reference here")

STEPS = 50
WITHIN = {"float32": 1e-5, "float64": 1e-9}


class Digits(Job):
    """The digits example with a choice of optimizers; batches end in a short one each epoch."""

    epochs: int = 20
    max_steps: int | None = STEPS
    batch_size: int = 250
    micro_batches: int = 8
    chosen: str = "momentum"

    def model(self) -> Module:
        return Sequential(Linear(64, 64), ReLU(), Linear(64, 10))

    def optimizer(self, model: Module) -> Optimizer:
        parameters = model.parameters()
        match self.chosen:
            case "adam":
                return Adam(parameters, lr=0.003)
            case "adamw":
                return AdamW(parameters, lr=0.003, weight_decay=0.1)
        return SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-4)

    def train_data(self) -> Any:
        return datasets.Digits(train=True, mean=0.3052, std=0.3763)

    def loss(self, model: Module, batch: Any) -> Any:
        x, y = batch
        return F.cross_entropy(model(x), y)


def torch_optimizer(chosen: str, parameters: Any) -> Any:
    match chosen:
        case "adam":
            return torch.optim.Adam(parameters, lr=0.003, foreach=False)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=0.003, weight_decay=0.1, foreach=False)
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-4, foreach=False)


def torch_losses(job: Digits, computer: LeafComputer) -> list[float]:
    """The same model on whole batches, as PyTorch would be used."""
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    model = model.to(getattr(torch, job.dtype))
    state = computer.model.state_dict()
    model.load_state_dict({name: torch.from_numpy(np.array(t._array)) for name, t in state.items()})
    optimizer = torch_optimizer(job.chosen, model.parameters())
    data = computer.train_data.take(np.arange(len(computer.train_data)))
    x, y = (torch.from_numpy(np.array(tensor._array)) for tensor in data)
    losses = []
    for step in range(STEPS):
        batch = computer.schedule.batch(step)
        at = torch.from_numpy(np.array(job.order(len(y), batch.epoch)[batch.lo : batch.hi]))
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x[at].to(model[0].weight.dtype)), y[at])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("chosen", ["momentum", "adam", "adamw"])
def test_fifty_steps_of_the_digits_job_have_pytorchs_losses(chosen: str, dtype: str) -> None:
    job = Digits(chosen=chosen, dtype=dtype)
    computer = LeafComputer(job)
    expected = torch_losses(job, computer)
    trainer = Trainer(computer)
    losses = [take_step(trainer).loss for _ in range(STEPS)]
    assert losses[-1] < 0.2 * losses[0]
    np.testing.assert_allclose(losses, expected, rtol=WITHIN[dtype], atol=0)


def test_the_seed_gives_pytorchs_initial_weights() -> None:
    torch.manual_seed(3)
    expected = torch.nn.Linear(64, 64).weight.detach().numpy()
    model = LeafComputer(Digits(seed=3)).model
    assert model.state_dict()["0.weight"]._array.tobytes() == expected.tobytes()
