"""A parameter that no leaf reaches is left alone, as PyTorch leaves one whose grad is None."""

from typing import Any

import numpy as np
import pytest

from dtrain.local import take_step
from tests.compute.jobs import Branching, trainer_of

torch = pytest.importorskip("torch", reason="PyTorch is the reference here")

STEPS = 5


class TorchBranches(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.always, self.seldom = torch.nn.Linear(6, 4), torch.nn.Linear(6, 4)
        self.scale = torch.nn.Parameter(torch.full((4,), 1.5), requires_grad=False)
        self.empty = torch.nn.Parameter(torch.zeros((0, 3)))

    def forward(self, x: Any, seldom: bool) -> Any:
        return (self.always(x) + self.seldom(x) if seldom else self.always(x)) * self.scale


def torch_optimizer(chosen: str, parameters: Any) -> Any:
    match chosen:
        case "adam":
            return torch.optim.Adam(parameters, lr=0.01, foreach=False)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1, foreach=False)
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01, foreach=False)


@pytest.mark.parametrize("chosen", ["momentum", "adam", "adamw"])
def test_steps_that_miss_a_parameter_give_pytorchs_weights(chosen: str) -> None:
    job = Branching(chosen=chosen)
    trainer = trainer_of(job)
    model = TorchBranches().double()
    state = trainer.state_dict()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    optimizer = torch_optimizer(chosen, model.parameters())
    x, y = (torch.from_numpy(t._array) for t in trainer.computer.train_data.tensors)
    for step in range(STEPS):
        batch = trainer.computer.schedule.batch(step)
        at = torch.from_numpy(np.array(job.order(len(y), batch.epoch)[batch.lo : batch.hi]))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[at], step % 2 == 0), y[at]).backward()
        optimizer.step()
        take_step(trainer)
    ours = trainer.state_dict()
    for name, tensor in model.state_dict().items():
        np.testing.assert_allclose(ours[name], tensor.numpy(), rtol=0, atol=1e-13, err_msg=name)
