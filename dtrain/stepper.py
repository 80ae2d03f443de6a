"""Stepper: a step taken apart, to look at: leaf(k), `+`, root(), apply()."""

import math
from typing import Self

import numpy as np

from dtrain.gradsum import ChunkSum, GradSum, means
from dtrain.job import Job
from dtrain.layout import Array, Layout
from dtrain.leaf import LeafComputer
from dtrain.numerics import limit_threads
from dtrain.records import StepOutcome
from dtrain.trainer import Trainer
from dtrain.tree import fold, root


class Sum:
    """What a node of the sum tree is worth: sums over its samples, never means.

    `a + b` is a new sum, and leaves both as they were; otherwise it is what the service computes.
    """

    def __init__(self, layout: Layout, value: GradSum, name: str) -> None:
        self.value, self.name = value, name
        self._layout = layout

    def __add__(self, right: Self) -> "Sum":
        """Left plus right, in this order: a + b and b + a are equal here, (a+b)+c and a+(b+c)
        need not be."""
        return Sum(self._layout, self.copy() + right.value, f"({self.name}+{right.name})")

    @property
    def weight(self) -> float:
        """Samples, or tokens, or what the job weighs its loss with."""
        return self.value.tail.weight

    @property
    def loss_sum(self) -> float:
        """The loss, summed with that weight."""
        return self.value.tail.loss_sum

    @property
    def means(self) -> dict[str, float]:
        """The loss and what was logged, divided by their weights."""
        return means(self.value.tail)

    @property
    def gradients(self) -> dict[str, Array]:
        """Each reached parameter's summed gradient, in its shape; copies."""
        vectors = self._layout.allocate_gradients()
        reached = 0
        for chunk, part in zip(self._layout.chunks, self.value.parts, strict=False):
            assert isinstance(part, ChunkSum)
            reached |= part.reached
            self._layout.slice(vectors, chunk)[...] = part.grad
        parameters = enumerate(self._layout.parameters)
        return {p.name: self._layout.view(vectors, p) for i, p in parameters if reached >> i & 1}

    @property
    def norm(self) -> float:
        """Euclidean norm of the summed gradient, computed in float64."""
        squares = [np.square(g, dtype=np.float64).sum() for g in self.gradients.values()]
        return math.sqrt(sum(squares))

    def copy(self) -> GradSum:
        """The value with arrays of its own, for what uses them up."""
        return GradSum(
            [
                ChunkSum(part.weight, part.reached, part.grad.copy())
                if isinstance(part, ChunkSum)
                else part
                for part in self.value.parts
            ]
        )

    def __repr__(self) -> str:
        return f"Sum({self.name}, weight {self.weight:g}, gradient norm {self.norm:.6g})"


class Stepper:
    """One step after another, by hand. Raises what LeafComputer and Trainer do.

    BLAS uses the job's `blas_threads` from here on, as in a run: the bits depend on it.

        stepper = dtrain.Stepper(Digits())
        a, b = stepper.leaf(0), stepper.leaf(1)
        a + b                              # a node; stepper.root() is the topmost
        stepper.apply()                    # divide once, step
    """

    def __init__(self, job: Job) -> None:
        limit_threads(job.blas_threads)
        self._computer = LeafComputer(job)
        self._trainer = Trainer(self._computer)
        self.model = self._computer.model

    @property
    def step(self) -> int:
        """The step that comes next, from 0."""
        return self._trainer.version

    @property
    def leaves(self) -> int:
        """How many leaves it has."""
        return self._computer.schedule.leaves(self.step)

    def leaf(self, k: int) -> Sum:
        """The worth of leaf k: forward and backward on its samples. Raises IndexError."""
        return Sum(self._computer.layout, self._computer.train(self.step, k), str(k))

    def root(self) -> Sum:
        """The sum of all leaves, in the one order that the tree allows."""
        return fold(root(self.leaves), self.leaves, self.leaf)

    def apply(self, total: Sum | None = None) -> StepOutcome:
        """Divide the root by its weight, step the optimizer, commit. `total` saves computing it.

        Raises NonFiniteError.
        """
        total = self.root() if total is None else total
        for index, part in enumerate(total.copy().parts):
            self._trainer.apply(index, part)
        return self._trainer.commit()

    def digest(self) -> str:
        """SHA-256 of the weights and buffers, in hex."""
        return self._trainer.digest()
