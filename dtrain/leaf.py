"""LeafComputer: (job, weights, seed, step, leaf) -> sums. All that a worker computes is here.

A leaf is a pure function of these five: whoever computes it, and how often, the bits are the
same. So nothing that a leaf does may outlive it: weights are read-only, buffers are put back and
what was done to them is part of the result, randomness is keyed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from dtrain import keyed
from dtrain.autograd import Tensor, enable_grad, no_grad
from dtrain.batch import cast, rows
from dtrain.blame import Place, blamed, changed
from dtrain.checked import Loss, loss_of, model_of, require_default_dtype, settings_kept
from dtrain.errors import DtrainError, JobError, UserError
from dtrain.gradsum import ChunkSum, GradSum, TailSum
from dtrain.job import Job
from dtrain.layout import Array, Layout
from dtrain.nn.buffers import recording
from dtrain.nn.kept import Kept
from dtrain.nn.updates import Update
from dtrain.overlap import Disturbed
from dtrain.prefetch import Ahead
from dtrain.samples import Samples


class LeafComputer:
    """A job's model, layout, data and schedule, and its leaves.

    Everything is built here, once, under the job's seed. At first the model has its initial
    weights; `bind` gives it others. Raises JobError or SettingError for a job that cannot be
    trained: no model, no parameters, no map-style dataset, no sample, another default dtype.

    vectors, buffers    what the model is bound to: flat vectors by name, arrays in layout order
    tensors             the model's parameters, in layout order
    samples, schedule   the data, and which of them make up each leaf
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
        self.samples = Samples(job)
        self.train_data, self.eval_data = self.samples.train_data, self.samples.eval_data
        self.schedule = self.samples.schedule
        vectors = self.layout.allocate()
        for parameter, tensor in zip(self.layout.parameters, self.tensors, strict=True):
            self.layout.view(vectors, parameter)[...] = tensor._array
        self.bind(vectors, [np.array(buffer._array, order="C") for buffer in self.model.buffers()])

    @cached_property
    def data_identity(self) -> str:
        """What two hosts' data must have in common: their lengths, and the contents of a few keyed
        samples. They are read when this is first asked for; raises JobError if one cannot be."""
        return self.samples.identity()

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

    def train(self, step: int, leaf: int, following: int | None = None) -> GradSum:
        """The value of a leaf of a step, on the bound weights: gradient chunks, then the tail.

        following: the leaf that is computed next, if that is known; its samples may be read ahead

        Raises LeafError with the user's traceback for an exception in their code, JobError for
        what a leaf may not do or return, IndexError for a leaf that does not exist.
        """
        at, then = self._places("train", step, leaf, following)
        return self._undisturbed(self._train, at, then)

    def evaluate(self, step: int, leaf: int, following: int | None = None) -> GradSum:
        """The value of a leaf of the evaluation after a step: the tail alone, without buffers.

        `model.eval()`, no graph; what the model does to its buffers is forgotten. Raises as
        `train` does.
        """
        at, then = self._places("eval", step, leaf, following)
        return self._undisturbed(self._evaluate, at, then)

    def read_ahead(self, phase: str, step: int, leaf: int) -> None:
        """Begin to read the samples of a leaf whose weights are not there yet, where that is
        worth it. Until the next `bind` the model has no weights: data that need them show it."""
        at = self.samples.place(phase, step, leaf)
        if self.samples.prefetch.is_on:
            for tensor in self.tensors:
                tensor._array = None  # type: ignore[assignment]  # whatever uses it raises
            self.samples.begin(at)

    # ------------------------------------------------------------- one leaf, in its parts' order

    def _places(
        self, phase: str, step: int, leaf: int, following: int | None
    ) -> tuple[Place, Place | None]:
        """A leaf's place, and the next one's. Raises IndexError for one that does not exist."""
        at = self.samples.place(phase, step, leaf)
        return at, None if following is None else self.samples.place(phase, step, following)

    def _undisturbed(
        self,
        compute: Callable[[Place, Ahead | None, Place | None], GradSum],
        at: Place,
        following: Place | None,
    ) -> GradSum:
        """Compute a leaf while samples of the next are read; again by itself if that disturbed."""
        try:
            return compute(at, self.samples.prefetch.take(at), following)
        except Disturbed:
            pass
        return compute(at, None, None)

    def _train(self, at: Place, ahead: Ahead | None, following: Place | None) -> GradSum:
        gradients = self.layout.allocate_gradients()
        with keyed.leaf_scope(self.job.seed, at.step, at.leaf), self._leaf(at), enable_grad():
            self._aim(gradients)
            tail = self._run(at, ahead, following)
            reached = self._collect()
        chunks = [
            ChunkSum(tail.weight, reached & chunk.mask, self.layout.slice(gradients, chunk))
            for chunk in self.layout.chunks
        ]
        return GradSum([*chunks, tail])

    def _evaluate(self, at: Place, ahead: Ahead | None, following: Place | None) -> GradSum:
        with keyed.eval_scope(self.job.seed, at.leaf), self._leaf(at), no_grad():
            tail = self._run(at, ahead, following)
        return GradSum([TailSum(tail.weight, tail.loss_sum, tail.samples, tail.logs)])

    def _run(self, at: Place, ahead: Ahead | None, following: Place | None) -> TailSum:
        """Samples, batch, loss, weight, backward. A leaf of weight 0 is worth nothing but its
        samples."""
        self.model.train(at.phase == "train")
        indices = self.samples.indices(at)
        with recording(self.model) as changes, self.samples.prefetch.watching():
            samples = self.samples.get(at, indices, ahead)
            with self.samples.beside(following, samples) as samples:
                batch = cast(samples.collated(self.samples.collate()), self.job.dtype)
                loss = self._loss(batch)
                if loss is not None and at.phase == "train":
                    self._backward(loss)
            self._require_untouched()
        if loss is None:
            return TailSum(0.0, 0.0, len(indices))
        logs = self.job._leave_leaf(loss.weight)
        return TailSum(loss.weight, loss.sum, len(indices), logs, self._updates(changes.updates))

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
                raise JobError(changed(f"{name} got a new array"))
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
            raise blamed(at, error) from error
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
