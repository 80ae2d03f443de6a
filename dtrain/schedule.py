"""Which samples make up each step, leaf and evaluation: arithmetic on counts alone. Pure.

    epoch's order   | batch of step 0         | batch of step 1         | short last batch |
    leaves of each  | 0 | 1 | 2 | 3 |         | 0 | 1 | 2 | 3 |         | 0 | 1 | 2'|

A leaf has ceil(batch_size / micro_batches) samples, in a short batch too; only the last leaf of
a batch may have fewer. Nothing here depends on the number of workers.
"""

from dataclasses import dataclass
from typing import NamedTuple

from dtrain.errors import JobError, SettingError


class Batch(NamedTuple):
    """A step's batch: positions lo ... hi-1 in the order of its epoch."""

    step: int
    epoch: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The plan of a run, counted from 0.

    samples, eval_samples     lengths of the data; eval_samples 0: no evaluation
    epochs, max_steps         the run ends at whichever comes first; max_steps None: no limit
    eval_every                steps between evaluations; None: at the end of every epoch

    Raises SettingError for a count below its least value, and JobError if no step is left.
    """

    samples: int
    batch_size: int
    micro_batches: int
    epochs: int
    max_steps: int | None = None
    drop_last: bool = False
    eval_samples: int = 0
    eval_batch_size: int = 256
    eval_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "micro_batches", "epochs", "eval_batch_size"):
            _require_positive(name, getattr(self, name))
        for name in ("max_steps", "eval_every"):
            if getattr(self, name) is not None:
                _require_positive(name, getattr(self, name))
        if self.samples < 1:
            raise JobError("train_data is empty; it must have at least one sample")
        if self.steps_per_epoch == 0:
            raise JobError(
                f"drop_last=True leaves no batch: {self.samples} samples are fewer than "
                f"batch_size={self.batch_size}; lower batch_size or set drop_last=False"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one pass over the data."""
        whole, rest = divmod(self.samples, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        planned = self.epochs * self.steps_per_epoch
        return planned if self.max_steps is None else min(planned, self.max_steps)

    @property
    def leaf_size(self) -> int:
        """Samples of a full leaf."""
        return _ceil_div(self.batch_size, self.micro_batches)

    @property
    def eval_leaves(self) -> int:
        """Leaves of one evaluation, each with at most eval_batch_size samples."""
        return _ceil_div(self.eval_samples, self.eval_batch_size)

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        epoch, within = divmod(step, self.steps_per_epoch)
        lo = within * self.batch_size
        return Batch(step, epoch, lo, min(lo + self.batch_size, self.samples))

    def leaves(self, step: int) -> int:
        """How many leaves a step has, at least 1."""
        batch = self.batch(step)
        return _ceil_div(batch.hi - batch.lo, self.leaf_size)

    def leaf(self, step: int, k: int) -> tuple[int, int]:
        """Positions lo, hi in the epoch's order of the samples of leaf k. Raises IndexError."""
        _require_leaf(k, self.leaves(step))
        batch = self.batch(step)
        lo = batch.lo + k * self.leaf_size
        return lo, min(lo + self.leaf_size, batch.hi)

    def eval_leaf(self, k: int) -> tuple[int, int]:
        """Indices lo, hi into eval_data of evaluation leaf k. Raises IndexError."""
        _require_leaf(k, self.eval_leaves)
        lo = k * self.eval_batch_size
        return lo, min(lo + self.eval_batch_size, self.eval_samples)

    def ends_epoch(self, step: int) -> bool:
        """Whether a step is the last of its epoch."""
        return (step + 1) % self.steps_per_epoch == 0

    def evaluates_after(self, step: int) -> bool:
        """Whether the weights that a step makes are evaluated."""
        if self.eval_samples == 0:
            return False
        return step + 1 == self.steps or self.evaluates_regularly(step)

    def evaluates_regularly(self, step: int) -> bool:
        """Whether they would be, were the run longer: not only because it ends there."""
        every = self.steps_per_epoch if self.eval_every is None else self.eval_every
        return self.eval_samples > 0 and (step + 1) % every == 0


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _require_positive(name: str, value: int) -> None:
    if value < 1:
        raise SettingError(f"{name} must be at least 1, not {value}")


def _require_leaf(k: int, leaves: int) -> None:
    if not 0 <= k < leaves:
        raise IndexError(f"leaf {k} does not exist; there are {leaves}")
