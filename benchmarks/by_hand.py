"""A `Twin` trained in PyTorch, by hand: the loop that dtrain's trainer has to agree with.

Every step: forward and backward of its leaves, one after another, on the sums of their losses;
one division by their weight; `clip_grad_norm_`, the optimizer, the schedule.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.curve_jobs import Twin
from dtrain.leaf import LeafComputer

State = dict[str, np.ndarray]


@dataclass
class Run:
    """What came of it: a number for each step, and the state at the end."""

    losses: list[float] = field(default_factory=list)  # means
    rates: list[float] = field(default_factory=list)  # that the step was taken with
    norms: list[float] = field(default_factory=list)  # of the mean gradient, before it is clipped
    state: State = field(default_factory=dict)
    average: State = field(default_factory=dict)  # where the job has `ema`


def train(job: Twin) -> Run:
    """Train to the end, from the weights that dtrain begins with."""
    computer = LeafComputer(job)  # for its initial weights, its data, and what is in each leaf
    model = job.network(torch).to(torch.float64)
    start = {name: tensor.numpy() for name, tensor in computer.model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in start.items()})
    optimizer = job.rule(torch, model.parameters())
    schedule = job.rates(torch, optimizer)
    average = _average(model, job.ema)
    run = Run()
    for step in range(computer.schedule.steps):
        optimizer.zero_grad()
        run.losses.append(_accumulate(job, computer, model, step))
        limit = float("inf") if job.clip_grad_norm is None else job.clip_grad_norm
        run.norms.append(float(clip_grad_norm_(model.parameters(), limit)))
        run.rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if job.lr_scheduler_interval == "step" or (step + 1) % job.steps_per_epoch == 0:
            schedule.step()
        if average is not None:
            average.update_parameters(model)
    run.state = _state(model)
    run.average = {} if average is None else _state(average.module)
    return run


def _accumulate(job: Twin, computer: LeafComputer, model: Any, step: int) -> float:
    """The mean gradient of a step into `.grad`; returns its mean loss."""
    total, weight = 0.0, 0.0
    for leaf in range(computer.schedule.leaves(step)):
        loss, its_weight = job.total(torch, model, _batch(job, computer, step, leaf))
        loss.backward()
        total, weight = total + loss.item(), weight + float(its_weight)
    for parameter in model.parameters():
        parameter.grad /= weight
    return total / weight


def _batch(job: Twin, computer: LeafComputer, step: int, leaf: int) -> list[Any]:
    """The samples of a leaf, as dtrain takes them."""
    lo, hi = computer.schedule.leaf(step, leaf)
    order = job.order(computer.schedule.samples, computer.schedule.batch(step).epoch)
    fields = job.collate([computer.train_data[int(i)] for i in order[lo:hi]])
    tensors = [torch.from_numpy(np.array(tensor.numpy())) for tensor in fields]
    return [t.to(torch.float64) if t.is_floating_point() else t for t in tensors]


def _average(model: Any, decay: float | None) -> Any:
    if decay is None:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))


def _state(model: Any) -> State:
    return {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}
