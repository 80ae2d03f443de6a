"""Job: what the user writes. A model, an optimizer, data, a loss; the rest has defaults."""

import math
import numbers
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain import overlap
from dtrain import settings as _settings
from dtrain.errors import JobError

if TYPE_CHECKING:
    from dtrain.autograd import Tensor
    from dtrain.nn import Module
    from dtrain.optim import Optimizer
    from dtrain.records import StepRecord
    from dtrain.schedule import Schedule

DATA_VARIABLE = "DTRAIN_DATA"
RESERVED = frozenset({  # what the records of steps and evaluations say themselves
    "step", "epoch", "loss", "weight", "lr", "seconds", "samples", "workers", "phases",
    "grad_norm", "skipped", "eval", "digest",
})  # fmt: skip

Logs = dict[str, list[tuple[float, float | None]]]  # name -> values, each with a weight of its own


@dataclass
class LeafContext:
    """What `self.step`, `self.epoch` and `self.log` refer to while a leaf is computed."""

    step: int
    epoch: int
    logs: Logs = field(default_factory=dict)


class Job:
    """A training job. Subclass it, write four methods, and annotate what should be a setting.

        class Digits(dtrain.Job):
            epochs: int = 20
            hidden: int = 64
            def model(self): ...
            def optimizer(self, model): ...
            def train_data(self): ...
            def loss(self, model, batch): ...

    Settings are keyword arguments: Digits(hidden=128). They are checked and then are attributes.
    Raises SettingError for an unknown name, a wrong type or a value out of range.
    """

    epochs: int = 1  # passes over the training data
    max_steps: int | None = None  # optimizer steps at most; None: as the epochs give
    max_seconds: float | None = None  # stop after the step that is under way at this time
    batch_size: int = 64  # samples per optimizer step, all workers together
    micro_batches: int = 8  # leaves of a full batch
    eval_batch_size: int = 256  # samples per leaf of an evaluation
    seed: int = 0
    dtype: str = "float32"  # of parameters, gradients and float data: float32 or float64
    drop_last: bool = False  # leave out an epoch's last batch when it is short
    lr_scheduler_interval: str = "step"  # when lr_scheduler is stepped: every "step" or "epoch"
    clip_grad_norm: float | None = None  # the largest norm of the mean gradient, by value first
    clip_grad_value: float | None = None  # the largest absolute value of its elements
    on_nonfinite: str = "raise"  # a gradient that is inf or nan: end the run, or "skip" the step
    ema: float | None = None  # decay of an exponential moving average of the weights
    scale_batch: int = 1  # by what --scale-batch multiplied the batch; scales the rates
    eval_every: int | None = None  # steps between evaluations; None: at the end of every epoch
    monitor: str = "min loss"  # which metric is best when: for "best", patience, plateaus
    patience: int | None = None  # evaluations without a better one before the run ends
    checkpoint_every: int | None = 500  # steps between checkpoints; None: only at the end
    keep_last: int = 3  # newest checkpoints that are kept
    keep_best: int = 1  # best ones, by `monitor`, that are kept beside them
    on_checkpoint_error: str = "continue"  # when one cannot be written; or "stop"
    chunk_elements: int = 2**18  # elements of a chunk of the flat parameter vector
    blas_threads: int = 1  # per process; the bits of a product depend on it
    numerics: str = "native"  # "portable": the same bits on AVX2 and AVX-512 hosts

    _context: LeafContext | None = None  # of the leaf that is computed
    _ahead: LeafContext | None = None  # of the one whose samples are read ahead, on its own thread
    _data_dir: Path | None = None
    _schedule: Any = None  # Schedule | None, once the data are open

    def __init__(self, **settings: Any) -> None:
        for name, value in _settings.resolve(type(self), settings).items():
            setattr(self, name, value)

    def settings(self) -> dict[str, _settings.Value]:
        """Every setting and its value, the common ones first, as they are now."""
        values = {name: getattr(self, name) for name in _settings.declared(type(self))}
        return _settings.resolve(type(self), values)

    # What a job must say

    def model(self) -> "Module":
        """A new model. It is called under the job's seed."""
        raise self._missing("model(self)", "an nn.Module")

    def optimizer(self, model: "Module") -> "Optimizer":
        """A new optimizer over the model's parameters."""
        raise self._missing("optimizer(self, model)", "an optim.Optimizer")

    def train_data(self) -> Any:
        """A map-style dataset: `len(data)` and `data[i]`."""
        raise self._missing("train_data(self)", "a dataset with len() and [i]")

    def loss(self, model: "Module", batch: Any) -> "Tensor | tuple[Tensor, Tensor | float]":
        """The mean loss over a batch, or (its sum, the weight), as 0-dim tensors.

        It also runs over `eval_data`, with `model.eval()` and without a graph.
        """
        raise self._missing("loss(self, model, batch)", "the mean loss, a 0-dim tensor")

    # What a job may say

    def eval_data(self) -> Any:
        """A map-style dataset to evaluate on, or None."""
        return None

    def lr_scheduler(self, optimizer: "Optimizer") -> Any:
        """A scheduler of `optim.lr_scheduler`, or None. Called once, at the coordinator.

        It is stepped after each step or epoch, as `lr_scheduler_interval` says; a
        ReduceLROnPlateau after each evaluation, with the metric that `monitor` names.
        """
        return None

    def on_step(self, record: "StepRecord") -> None:
        """Called at the coordinator after each step, with what metrics.jsonl says of it."""

    def on_eval(self, step: int, metrics: Mapping[str, float]) -> None:
        """Called at the coordinator after each evaluation, that of the weights after `step`."""

    def on_checkpoint(self, path: Path) -> None:
        """Called at the coordinator when a checkpoint is written: it survives a power cut."""

    def collate(self, samples: list[Any]) -> Any:
        """A batch made of samples: fields are stacked, as in PyTorch."""
        from dtrain.data import default_collate

        return default_collate(samples)

    def order(self, n: int, epoch: int) -> Sequence[int] | np.ndarray:
        """The indices of an epoch's samples, in order: shuffled by (seed, epoch)."""
        from dtrain import keyed

        return keyed.order(self.seed, epoch, n)

    def summary(self, means: Mapping[str, float]) -> dict[str, float]:
        """Metrics of an evaluation that are no means of means, such as perplexity.

        `means` has "loss" and what was logged; the result is added to it.
        """
        return {}

    # What a job may read and write

    def log(self, name: str, value: "Tensor | float", weight: float | None = None) -> None:
        """Log a mean over this leaf: a number or a 0-dim tensor.

        Means of leaves are averaged by `weight`, or else by the weight of the loss. Outside a
        leaf, as in a notebook that calls `loss` itself, nothing is kept.
        """
        if not isinstance(name, str):
            raise JobError(f"self.log takes a name first, not {name!r}")
        if name in RESERVED:
            raise JobError(f"self.log({name!r}, ...): that name is recorded already; take another")
        number = _number(f"the value of '{name}'", value)
        own = None if weight is None else _number(f"the weight of '{name}'", weight)
        if own is not None and not 0 <= own < math.inf:
            raise JobError(f"self.log({name!r}, ..., weight={own}): it must be finite and >= 0")
        context = self._here()
        if context is not None:
            context.logs.setdefault(name, []).append((number, own))

    @property
    def step(self) -> int:
        """The step that the leaf belongs to, from 0; in an evaluation, the step before it."""
        return self._in_leaf("step").step

    @property
    def epoch(self) -> int:
        """The epoch that the leaf belongs to, from 0."""
        return self._in_leaf("epoch").epoch

    @property
    def rng(self) -> np.random.Generator:
        """Random numbers that are a function of (seed, step, leaf), or of the sample."""
        from dtrain import keyed

        return keyed.rng()

    @property
    def total_steps(self) -> int:
        """Steps of the whole run as planned, for `lr_scheduler`."""
        return self._planned("total_steps").steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass over the training data, for `lr_scheduler`."""
        return self._planned("steps_per_epoch").steps_per_epoch

    @property
    def data_dir(self) -> Path:
        """The folder of `--data`, or else of DTRAIN_DATA.

        Raises JobError if neither is given, or the folder does not exist.
        """
        folder = self._data_dir or os.environ.get(DATA_VARIABLE) or None
        if folder is None:
            raise JobError(
                f"{type(self).__name__} reads its data from a folder; "
                f"say which with --data DIR or {DATA_VARIABLE}=DIR"
            )
        if not Path(folder).is_dir():
            source = "--data" if self._data_dir else DATA_VARIABLE
            raise JobError(f"the data folder {folder} ({source}) does not exist")
        return Path(folder)

    # What the machinery calls

    def _use_data(self, folder: str | Path | None) -> None:
        """Take data from a folder, as `--data` says; None leaves it to DTRAIN_DATA."""
        self._data_dir = None if folder is None else Path(folder).expanduser()

    def _enter_leaf(self, step: int, epoch: int) -> None:
        """From here on `self.step`, `self.epoch` and `self.log` belong to this leaf, for a thread
        that reads its samples ahead, or else for all others."""
        if overlap.is_reader():
            self._ahead = LeafContext(step, epoch)
        else:
            self._context = LeafContext(step, epoch)

    def _leave_leaf(self, weight: float) -> dict[str, tuple[float, float]]:
        """End a leaf of that weight: what was logged, as name -> (sum, weight).

        A leaf of weight 0 has logged nothing.
        """
        context, self._context = self._context, None
        if context is None or weight == 0:
            return {}
        return {name: _total(entries, weight) for name, entries in context.logs.items()}

    def _hand_over(self) -> Logs:
        """End the reading of a leaf's samples ahead: what was logged, for `_take_over`."""
        context, self._ahead = self._ahead, None
        return {} if context is None else context.logs

    def _take_over(self, logs: Logs) -> None:
        """What was logged while the samples of this leaf were read ahead is its own."""
        assert self._context is not None
        for name, entries in logs.items():
            self._context.logs.setdefault(name, []).extend(entries)

    def _here(self) -> LeafContext | None:
        """The leaf that this thread is about, if there is one."""
        if overlap.is_reader():
            return self._ahead
        overlap.require_owner()
        return self._context

    def _metrics(self, means: Mapping[str, float]) -> dict[str, float]:
        """An evaluation's metrics: the means, and what `summary` makes of them."""
        from dtrain.checked import calling

        who = f"{type(self).__name__}.summary"
        with calling(who):
            extra = self.summary(dict(means))
            if not isinstance(extra, Mapping):
                raise JobError(f"{who} must return a dict, not {extra!r}")
            added = {n: _number(f"{who}: the value of '{n}'", v) for n, v in extra.items()}
        return {**means, **added}

    def _in_leaf(self, name: str) -> LeafContext:
        context = self._here()
        if context is None:
            raise JobError(f"self.{name} has a value only while `loss` or the data are called")
        return context

    def _planned(self, name: str) -> "Schedule":
        if self._schedule is None:
            raise JobError(
                f"self.{name} has a value once the data are open: in lr_scheduler and loss, not in "
                "model, train_data or eval_data"
            )
        schedule: Schedule = self._schedule
        return schedule

    def _missing(self, signature: str, result: str) -> JobError:
        return JobError(f"{type(self).__name__} needs `def {signature}` that returns {result}")


def _total(entries: list[tuple[float, float | None]], weight: float) -> tuple[float, float]:
    """The sum and the weight of means, each with its own weight or else the leaf's."""
    weights = [weight if own is None else own for _, own in entries]
    total = sum(value * own for (value, _), own in zip(entries, weights, strict=True))
    return float(total), float(sum(weights))


def _number(what: str, value: Any) -> float:
    """A number or a 0-dim tensor or array as a float. Raises JobError for anything else."""
    shape = getattr(value, "shape", None)
    number = value.item() if shape == () and hasattr(value, "item") else value
    if isinstance(number, numbers.Real):
        return float(number)
    kind = f"a tensor of shape {tuple(shape)}" if shape else type(number).__name__
    raise JobError(f"{what} must be a number or a 0-dim tensor, not {kind}")
