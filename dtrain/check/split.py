"""The same samples as one leaf or as several, watched: gradients, modules, random numbers."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dtrain import keyed
from dtrain.checked import job_of
from dtrain.gradsum import ChunkSum, GradSum
from dtrain.job import Job
from dtrain.layout import Array
from dtrain.leaf import LeafComputer
from dtrain.nn import Module, MultiheadAttention, RNNBase, RReLU
from dtrain.nn.dropout import _Dropout
from dtrain.random import default_generator

SAMPLES = 64  # of a comparison, at most
LEAVES = 8
SAMPLED = 20_000  # elements of a gradient that are kept for each leaf

Hook = Callable[[Module], None]


@dataclass(frozen=True)
class Split:
    """A batch of `samples`, as one leaf and as `leaves`, of which the last is shorter."""

    samples: int
    leaves: int


@dataclass(frozen=True, eq=False)
class Sums:
    """What a batch is worth as so many leaves.

    gradient   the sum over all leaves, of every trained parameter, 1-D
    sampled    some elements of each leaf's own, shape (leaves, at most SAMPLED)
    weight     of all leaves together; loss_sum likewise
    drew       whether a leaf drew random numbers that are the leaf's, not a sample's
    """

    gradient: Array
    sampled: Array
    weight: float
    loss_sum: float
    drew: bool


@dataclass
class Watch:
    """What is done to a job's leaves while they are looked at.

    quiet    names of modules that stay in evaluation mode
    hook     called with the model before each loss
    """

    quiet: Sequence[str] = ()
    hook: Hook | None = None
    leaf: int = field(default=0, init=False)
    drew: bool = field(default=False, init=False)


def twin(job: Job, data: Any = None, **settings: Any) -> LeafComputer:
    """A computer for a job of the same settings but these, with a model of its own.

    data: training data that are open already; None opens them. There are no evaluation data
    Raises what `LeafComputer` does, and SettingError.
    """
    other = job_of(type(job), {**job.settings(), **settings})
    other._use_data(job._data_dir)
    other.__dict__["eval_data"] = lambda: None
    if data is not None:
        other.__dict__["train_data"] = lambda: data
    return LeafComputer(other)


def choose_split(leaf_size: int, micro_batches: int, samples: int) -> Split | None:
    """How to compare: as many leaves as a batch has, if that takes no more than SAMPLES.

    The last leaf is shorter than the others, as at the end of an epoch: only then does a weight
    that is the same for all leaves show. None if there are too few samples.
    """
    for leaves in range(min(max(micro_batches, 2), LEAVES), 1, -1):
        most = min(samples, SAMPLES, leaves * max(leaf_size, 2))
        for count in range(most, leaves, -1):
            size = -(-count // leaves)
            if count % size and -(-count // size) == leaves:
                return Split(count, leaves)
    return None


def sums(computer: LeafComputer, watch: Watch) -> Sums:
    """The leaves of step 0, added up. Raises what `LeafComputer.train` does."""
    total: GradSum | None = None
    sampled = []
    with _watched(computer, watch):
        for leaf in range(computer.schedule.leaves(0)):
            watch.leaf = leaf
            value = computer.train(0, leaf)
            sampled.append(_some(value))
            total = value if total is None else total + value
    assert total is not None, "a batch has at least one leaf"
    tail = total.tail
    return Sums(_vector(total), np.stack(sampled), tail.weight, tail.loss_sum, watch.drew)


def random_modules(model: Module) -> list[str]:
    """Names of those that draw random numbers in training: dropout, and what has it built in."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, _Dropout | RReLU)
        or (isinstance(module, MultiheadAttention | RNNBase) and module.dropout > 0)
    ]


@contextmanager
def _watched(computer: LeafComputer, watch: Watch) -> Iterator[None]:
    """Look over the shoulder of the job's loss, which runs inside the leaf."""
    job = computer.job
    original = job.loss

    def loss(model: Module, batch: Any) -> Any:
        for name in watch.quiet:
            model.get_submodule(name).training = False
        if watch.hook is not None:
            watch.hook(model)  # hooks that are registered here end with the leaf
        returned = original(model, batch)
        now = _states()
        with keyed.leaf_scope(job.seed, 0, watch.leaf):
            watch.drew |= now != _states()
        return returned

    job.__dict__["loss"] = loss
    try:
        yield
    finally:
        del job.__dict__["loss"]


def _states() -> tuple[Any, ...]:
    """Where the leaf's generators stand: the keyed one, and the global ones."""
    _, words, *rest = np.random.get_state(legacy=True)
    numpy = (np.asarray(words).tobytes(), *rest)
    ours = default_generator.get_state()._array.tobytes()
    return random.getstate(), numpy, ours, repr(keyed.rng().bit_generator.state)


def _vector(value: GradSum) -> Array:
    parts = [part.grad for part in value.parts if isinstance(part, ChunkSum)]
    return np.concatenate(parts).astype(np.float64)


def _some(value: GradSum) -> Array:
    """Elements of a leaf's gradient, as many and as far apart as memory allows."""
    parts = [part.grad for part in value.parts if isinstance(part, ChunkSum)]
    stride = 1 + sum(part.size for part in parts) // SAMPLED
    return np.concatenate([part[::stride] for part in parts]).astype(np.float64)
