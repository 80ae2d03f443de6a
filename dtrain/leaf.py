"""LeafComputer: (job, weights, seed, step, leaf) -> sums. All that a worker computes is here.

A leaf is a pure function of these five: whoever computes it, and how often, the bits are the
same. So nothing that a leaf does may outlive it: weights are read-only, buffers are put back and
what was done to them is part of the result, randomness is keyed.
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from dtrain import keyed
from dtrain.autograd import Tensor, enable_grad, no_grad
from dtrain.batch import cast, rows
from dtrain.checked import (
    Loss,
    eval_data_of,
    length,
    loss_of,
    model_of,
    order_of,
    require_default_dtype,
    settings_kept,
    train_data_of,
)
from dtrain.data import default_collate, fetch
from dtrain.errors import DtrainError, JobError, LeafError, UserError
from dtrain.gradsum import ChunkSum, GradSum, TailSum
from dtrain.job import Job
from dtrain.layout import Array, Layout
from dtrain.nn.buffers import recording
from dtrain.nn.kept import Kept
from dtrain.nn.updates import Update
from dtrain.schedule import Schedule

PACKAGE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Place:
    """Which leaf it is, for the job and for error messages."""

    step: int
    phase: str  # "train" or "eval"
    leaf: int
    epoch: int

    def __str__(self) -> str:
        kind = "step" if self.phase == "train" else "evaluation after step"
        return f"{kind} {self.step}, leaf {self.leaf}"


class LeafComputer:
    """A job's model, layout, data and schedule, and its leaves.

    Everything is built here, once, under the job's seed. At first the model has its initial
    weights; `bind` gives it others. Raises JobError or SettingError for a job that cannot be
    trained: no model, no parameters, no map-style dataset, no sample, another default dtype.

    vectors, buffers    what the model is bound to: flat vectors by name, arrays in layout order
    tensors             the model's parameters, in layout order
    """

    vectors: dict[str, Array]
    buffers: list[Array]

    def __init__(self, job: Job) -> None:
        require_default_dtype()
        self.job = job
        self.model = model_of(job)
        self.layout = Layout.of(self.model, job.chunk_elements)
        self.tensors: list[Tensor] = list(self.model.parameters())
        self._kept = Kept(self.model)
        self._trained = [i for i, p in enumerate(self.layout.parameters) if p.trainable]
        self.train_data, self.eval_data = train_data_of(job), eval_data_of(job)
        self.schedule = _schedule(job, self.train_data, self.eval_data)
        self._order: tuple[int, Array] = (-1, np.empty(0, np.int64))
        vectors = self.layout.allocate()
        for parameter, tensor in zip(self.layout.parameters, self.tensors, strict=True):
            self.layout.view(vectors, parameter)[...] = tensor._array
        self.bind(vectors, [np.array(buffer._array, order="C") for buffer in self.model.buffers()])

    @property
    def data_identity(self) -> str:
        """What two hosts' data must have in common beside the probe's leaf: their lengths."""
        n, n_eval = self.schedule.samples, self.schedule.eval_samples
        return f"{n} training and {n_eval} evaluation samples"

    def bind(self, vectors: Mapping[str, Array], buffers: Sequence[Array]) -> None:
        """Point the model at these flat vectors and buffers, without a copy.

        The model sees them read-only; their owner must not write into them while a leaf runs.
        """
        self.vectors, self.buffers = dict(vectors), list(buffers)
        self._views = [read_only(self.layout.view(vectors, p)) for p in self.layout.parameters]
        for tensor, view in zip(self.tensors, self._views, strict=True):
            tensor._array = view
        for buffer, array in zip(self.model.buffers(), self.buffers, strict=True):
            buffer._array, buffer._view = read_only(array), None

    def train(self, step: int, leaf: int) -> GradSum:
        """The value of a leaf of a step, on the bound weights: gradient chunks, then the tail.

        Raises LeafError with the user's traceback for an exception in their code, JobError for
        what a leaf may not do or return, IndexError for a leaf that does not exist.
        """
        at = Place(step, "train", leaf, self.schedule.batch(step).epoch)
        lo, hi = self.schedule.leaf(step, leaf)
        gradients = self.layout.allocate_gradients()
        with keyed.leaf_scope(self.job.seed, step, leaf), self._leaf(at), enable_grad():
            self._aim(gradients)
            tail = self._run(at, self.train_data, self._order_of(at.epoch)[lo:hi])
            reached = self._collect()
        chunks = [
            ChunkSum(tail.weight, reached & chunk.mask, self.layout.slice(gradients, chunk))
            for chunk in self.layout.chunks
        ]
        return GradSum([*chunks, tail])

    def evaluate(self, step: int, leaf: int) -> GradSum:
        """The value of a leaf of the evaluation after a step: the tail alone, without buffers.

        `model.eval()`, no graph; what the model does to its buffers is forgotten. Raises as
        `train` does.
        """
        at = Place(step, "eval", leaf, self.schedule.batch(step).epoch)
        indices = np.arange(*self.schedule.eval_leaf(leaf))
        with keyed.eval_scope(self.job.seed, leaf), self._leaf(at), no_grad():
            tail = self._run(at, self.eval_data, indices)
        return GradSum([TailSum(tail.weight, tail.loss_sum, tail.samples, tail.logs)])

    # ------------------------------------------------------------- one leaf, in its parts' order

    def _run(self, at: Place, data: Any, indices: Array) -> TailSum:
        """Batch, loss, weight, backward. A leaf of weight 0 is worth nothing but its samples."""
        self.model.train(at.phase == "train")
        with recording(self.model) as changes:
            batch = self._batch(at, data, indices)
            loss = self._loss(batch)
            if loss is not None and at.phase == "train":
                self._backward(loss)
            self._require_untouched()
        if loss is None:
            return TailSum(0.0, 0.0, len(indices))
        logs = self.job._leave_leaf(loss.weight)
        return TailSum(loss.weight, loss.sum, len(indices), logs, self._updates(changes.updates))

    def _batch(self, at: Place, data: Any, indices: Array) -> Any:
        is_default = getattr(self.job.collate, "__func__", None) is Job.collate
        collate = default_collate if is_default else self.job.collate  # fetch reads that one faster
        epoch = at.epoch if at.phase == "train" else None
        batch = fetch(
            data, indices, collate, lambda index: keyed.sample_scope(self.job.seed, epoch, index)
        )
        return cast(batch, self.job.dtype)

    def _loss(self, batch: Any) -> Loss | None:
        """None for an empty batch, for which the job's loss is not called, and for weight 0."""
        n = rows(batch)
        if n == 0:
            return None
        loss = loss_of(self.job.loss(self.model, batch), n, f"{type(self.job).__name__}.loss")
        return loss if loss.weight > 0 else None

    def _backward(self, loss: Loss) -> None:
        who = f"{type(self.job).__name__}.loss"
        if any(self.tensors[i].grad is not None for i in self._trained):
            raise JobError(f"{who} called backward(); it must only return the loss")
        if not loss.value.requires_grad:
            raise JobError(
                f"{who} does not depend on any parameter that requires a gradient; "
                "was it detached, or computed under no_grad?"
            )
        loss.backward()

    def _aim(self, gradients: dict[str, Array]) -> None:
        """Let backward write straight into these vectors."""
        for i in self._trained:
            self.tensors[i]._grad_home = self.layout.view(gradients, self.layout.parameters[i])

    def _collect(self) -> int:
        """A bit for each parameter that got a gradient; all gradients are in their homes."""
        reached = 0
        for i in self._trained:
            gradient, home = self.tensors[i].grad, self.tensors[i]._grad_home
            if gradient is not None and home is not None:
                reached |= 1 << i
                if gradient._array is not home:  # one that was recorded, or put there by a hook
                    np.copyto(home, gradient._array)
        return reached

    def _require_untouched(self) -> None:
        for i, (tensor, view) in enumerate(zip(self.tensors, self._views, strict=True)):
            name = self.layout.parameters[i].name
            if tensor._array is not view:
                raise JobError(_changed(f"{name} got a new array"))
            if tensor.grad is not None and not self.layout.parameters[i].trainable:
                raise JobError(f"{name} got a gradient, but is frozen in model()")
        rebuilt = self._kept.rebuilt()
        if rebuilt is not None:
            raise JobError(
                f"{rebuilt} changed inside loss: parameters, buffers and modules that come later "
                "are not trained; make all of them in model()"
            )

    def _updates(self, by_name: Mapping[str, Update]) -> dict[int, Update]:
        named = enumerate(self.layout.buffers)
        return {i: by_name[buffer.name] for i, buffer in named if buffer.name in by_name}

    def _order_of(self, epoch: int) -> Array:
        """The order of an epoch's samples; kept, as all leaves of an epoch need it."""
        if self._order[0] != epoch:
            self._order = epoch, order_of(self.job, self.schedule.samples, epoch)
        return self._order[1]

    @contextmanager
    def _leaf(self, at: Place) -> Iterator[None]:
        """Around the user's code: whatever it raises says in which leaf, and nothing is left."""
        self._put_back()
        self.job._enter_leaf(at.step, at.epoch)
        try:
            with settings_kept():
                yield
        except UserError as error:
            raise type(error)(f"{at}: {error}") from error
        except DtrainError:
            raise
        except (Exception, SystemExit) as error:
            raise _blamed(at, error) from error
        finally:
            self.job._leave_leaf(0.0)
            self._put_back()

    def _put_back(self) -> None:
        """The model as it was made, on the bound weights, without gradients. A graph of an earlier
        leaf that somebody kept has no part in the next one's order."""
        for tensor, view in zip(self.tensors, self._views, strict=True):
            tensor._array = view
            tensor._grad = tensor._grad_home = tensor._leaf = None
        self._kept.put_back()


def read_only(array: Array) -> Array:
    """A view that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def _schedule(job: Job, train_data: Any, eval_data: Any) -> Schedule:
    return Schedule(
        samples=length(train_data),
        batch_size=job.batch_size,
        micro_batches=job.micro_batches,
        epochs=job.epochs,
        max_steps=job.max_steps,
        drop_last=job.drop_last,
        eval_samples=0 if eval_data is None else length(eval_data),
        eval_batch_size=job.eval_batch_size,
        eval_every=job.eval_every,
    )


def _blamed(at: Place, error: Exception | SystemExit) -> DtrainError:
    """The user's exception with the leaf it happened in; a write to weights said as such."""
    frames = _users_frames(error)
    explained = _explained(error, traceback.extract_tb(frames)[0])
    if explained is not None:
        return JobError(f"{at}: {explained}")
    trace = traceback.format_exception(type(error), error, frames)
    return LeafError(at.step, at.phase, at.leaf, "".join(trace))


def _explained(error: Exception | SystemExit, at: traceback.FrameSummary) -> str | None:
    """Frequent mistakes in one sentence each; None for an exception that speaks for itself."""
    where = f"{Path(at.filename).name}, line {at.lineno}"
    if isinstance(error, ValueError) and "read-only" in str(error):
        return _changed(where)
    if isinstance(error, IndexError) and str(error).startswith("Target "):
        return (
            f"a label is out of range ({where}): {error} Labels are class indices, from 0 to one "
            "less than the number of scores that the model gives for each sample"
        )
    return None


def _changed(where: str) -> str:
    return (
        f"the model's weights were changed inside loss ({where}): that is for the optimizer alone; "
        "they are read-only while a leaf runs, as are arrays that the data itself gives so"
    )


def _users_frames(error: BaseException) -> TracebackType | None:
    """The traceback from the first frame outside this package; all of it if there is none."""
    frame = error.__traceback__
    while frame is not None and Path(frame.tb_frame.f_code.co_filename).is_relative_to(PACKAGE):
        frame = frame.tb_next
    return frame or error.__traceback__
