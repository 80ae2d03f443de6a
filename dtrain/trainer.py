"""Trainer: flat vectors and the optimizer. Takes the roots of a step, writes the next weights.

    version s      read by everybody, unchanged until step s is committed
    version s+1    written, part by part, in whatever order the roots come

There are two sets of vectors, version v in set v % 2. An update is: divide the root by its weight,
once; check that it is finite; clip; step. The optimizer's own state has one version: between the
first `apply` of a step and its `commit` it is neither of s nor of s+1, and cannot be saved.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dtrain.autograd import Tensor, wrap
from dtrain.average import Average
from dtrain.checked import optimizer_of
from dtrain.clipping import clip_norm, clip_value
from dtrain.digest import digest
from dtrain.errors import JobError, NonFiniteError
from dtrain.gradsum import ChunkSum, Part, TailSum, means
from dtrain.layout import Array, Chunk, Parameter, Piece
from dtrain.leaf import LeafComputer, read_only
from dtrain.monitor import Monitor, is_better
from dtrain.optimizer_state import OptimizerState
from dtrain.rates import Rates
from dtrain.records import StepOutcome
from dtrain.schedule import Batch


class Trainer:
    """The state of a run: two versions of weights and buffers, and the optimizer's.

    The computer, which must have its initial weights, is always bound to the committed version.
    Raises JobError for an optimizer or a scheduler that cannot be used.
    """

    def __init__(self, computer: LeafComputer) -> None:
        self.computer = computer
        job = computer.job
        self.optimizer = optimizer_of(job, computer.model)
        self.rates = Rates(job, self.optimizer, computer.schedule)
        self.monitor = Monitor.of(job.monitor, job.patience)
        self.version = 0  # the last one that was committed
        self.evaluated = True  # whether the evaluation that is due after it was made
        self.evaluation: dict[str, float] | None = None  # its metrics
        self.stop_after: int | None = None  # steps after which to stop, however many are planned
        _require_evaluations(computer, self.rates)
        self._layout = layout = computer.layout
        self._vectors = computer.vectors, {**computer.vectors, **layout.allocate_gradients()}
        self._buffers = [computer.buffers, computer.buffers]
        self._state = OptimizerState(layout, self.optimizer, computer.tensors)
        self.optimizer._opt_called = True  # it steps here, and schedules need not warn
        self.average = None if job.ema is None else Average(layout, job.ema)
        self._skips = job.on_nonfinite == "skip"
        self._is_by_element = self.optimizer.scope == "element"
        self._together = self._written_together()
        self._gradient = layout.allocate_gradients() if self._together else {}
        self._is_changing = False
        self._begin()

    def _begin(self) -> None:
        """Nothing of the step under way has come."""
        self._applied: set[int] = set()  # parts whose roots have come
        self._written: set[int] = set()  # those of version + 1 that are there
        self._reached = 0  # a bit for each parameter
        self._nonfinite: int | None = None  # the first parameter whose gradient is not finite
        self._norm: float | None = None
        self._tail: TailSum | None = None

    # ------------------------------------------------------------------------- what can be read

    def weights(self, version: int, index: int) -> Array:
        """A chunk of the weights, trained or frozen, 1-D, read-only.

        version: the committed one, or the next, of which only the written chunks are there
        """
        self._require_there(version, index if index < self._layout.tail else None)
        vectors = self._vectors[version % 2]
        return read_only(self._layout.slice(vectors, self._layout.chunk(index)))

    def buffers(self, version: int) -> list[Array]:
        """All buffers of the committed version; of the next once the tail has been applied."""
        self._require_there(version, self._layout.tail)
        return [read_only(buffer) for buffer in self._buffers[version % 2]]

    def state_dict(self) -> dict[str, Array]:
        """Copies of the committed weights and buffers, under the model's `state_dict` keys."""
        state = self.computer.model.state_dict()
        return {name: np.array(tensor._array, order="C") for name, tensor in state.items()}

    def average_state_dict(self) -> dict[str, Array] | None:
        """The same with averaged weights; None without `ema`."""
        if self.average is None:
            return None
        averages = self.average.arrays()
        state, places = self.state_dict(), self._places()
        return {name: averages.get(_name(places[name]), array) for name, array in state.items()}

    def digest(self) -> str:
        """SHA-256 of the committed weights and buffers, in hex."""
        state = self.computer.model.state_dict()
        return digest({name: tensor._array for name, tensor in state.items()})

    def metrics(self, tail: TailSum) -> dict[str, float]:
        """An evaluation's root as metrics: its means, and what the job's `summary` adds."""
        return self.computer.job._metrics(means(tail))

    @property
    def updates(self) -> list[int]:
        """How many updates each parameter has had, in layout order."""
        return self._state.updates

    @property
    def state_bytes(self) -> int:
        """How large a checkpoint is, but for buffers and words."""
        vectors = [self._vectors[0], {} if self.average is None else self.average.vectors]
        return self._state.bytes() + sum(v.nbytes for each in vectors for v in each.values())

    @property
    def is_clean(self) -> bool:
        """Whether all state is that of the committed version: no step is under way, and neither a
        commit nor the taking in of an evaluation was interrupted."""
        return not self._applied and not self._is_changing

    @property
    def stop_reason(self) -> str | None:
        """Why there must not be another step, in words, or None. Not while an evaluation is due."""
        if not self.evaluated:
            return None
        if self.stop_after is not None and self.version >= self.stop_after:
            return f"stopped after {self.version} steps, as asked"
        return self.monitor.is_exhausted

    # ---------------------------------------------------------------------------------- a step

    def apply(self, index: int, part: Part) -> list[int]:
        """Take in the root of one part of step `version`; its array is used up.

        Returns the parts of which version + 1 is written now: this one; or, where more than a
        slice must be seen at once, nothing until the last of them comes, and then all of these.
        Raises NonFiniteError with step and parameter, unless such steps are skipped.
        """
        assert index not in self._applied, f"part {index} is applied twice in step {self.version}"
        self._applied.add(index)
        if isinstance(part, TailSum):
            self._tail = part
        else:
            self._mean(self._layout.chunks[index], part)
        if index not in self._together:
            self._write_part(index, part)
            written = [index]
        else:
            written = self._write_together() if self._applied >= self._together else []
        self._written.update(written)
        return written

    def commit(self) -> StepOutcome:
        """Version + 1 becomes the run's history; every part of it must be written."""
        tail, step = self._tail, self.version
        missing = set(range(self._layout.parts)) - self._written
        assert not missing, f"step {step} is committed without parts {sorted(missing)}"
        assert tail is not None, "the tail was applied, and is not there"
        outcome = self._outcome(self.computer.schedule.batch(step), tail)
        self._is_changing = True
        self._state.count(self._reached)
        self.rates.after_step(step)
        if self.average is not None and outcome.skipped is None:
            self.average.update(self._vectors[(step + 1) % 2])
        self.evaluation = None
        self.evaluated = not self.computer.schedule.evaluates_after(step)
        self.version = step + 1
        self.bind()
        self._begin()
        self._is_changing = False
        return outcome

    def bind(self) -> None:
        """Point the model at the committed version, whatever was put in its place."""
        side = self.version % 2
        self.computer.bind(self._vectors[side], self._buffers[side])

    def evaluate(self, tail: TailSum) -> tuple[dict[str, float], bool]:
        """Take in the root of the evaluation of the committed version, once.

        Returns its metrics, and whether they are the best so far. Raises JobError for a monitored
        metric that is not there.
        """
        metrics, step = self.metrics(tail), self.version - 1
        value, best = self.monitor.value(metrics), self.monitor.best
        # one that is made because the run ends must not count: a longer run would not have it
        self._is_changing = True
        if self.computer.schedule.evaluates_regularly(step):
            self.monitor.observe(step, value)
            self.rates.after_evaluation(value)
        self.evaluated, self.evaluation = True, metrics
        self._is_changing = False
        return metrics, is_better(self.monitor.mode, value, best)

    # ------------------------------------------------------------------------------ checkpoints

    def to_dict(self) -> dict[str, Any]:
        """A copy of everything that the rest of the run depends on; the trainer must be clean."""
        assert self.is_clean, f"step {self.version} is under way: the optimizer's state is mixed"
        average = self.average
        return {
            "version": self.version,
            "evaluated": self.evaluated,
            "eval": self.evaluation,
            "model": {name: wrap(array) for name, array in self.state_dict().items()},
            "buffers": {
                name: wrap(self._buffers[self.version % 2][i].copy())
                for name, i in self._kept_apart().items()
            },
            "optimizer": self._state.to_dict(),
            "lr_scheduler": self.rates.to_dict(),
            "monitor": self.monitor.to_dict(),
            "ema": None if average is None else average.to_dict(),
        }

    def load(self, saved: Mapping[str, Any], wanted: frozenset[str] | None = None) -> None:
        """Go on from what `to_dict` gave. Names and shapes must be the model's.

        wanted: the names of those that are, where others are to keep their initial values
        """
        self.load_weights(saved["model"], wanted)
        self._state.load(saved["optimizer"], lambda name: wanted is None or name in wanted)
        self.rates.load(saved["lr_scheduler"])
        self.monitor.load(saved["monitor"])
        for name, i in self._kept_apart().items():
            if name in saved["buffers"]:
                for buffers in self._buffers:
                    buffers[i] = saved["buffers"][name]._array
        if self.average is not None and saved["ema"] is not None:
            self.average.load(saved["ema"], self._vectors[0])
        self.version, self.evaluated = saved["version"], saved["evaluated"]
        self.evaluation = saved["eval"]
        self.bind()

    def load_weights(
        self, weights: Mapping[str, Any], wanted: frozenset[str] | None = None
    ) -> None:
        """Put weights and buffers, by the names of `state_dict`, in the place of the first ones.

        wanted: as in `load`
        """
        for name, place in self._places().items():
            if name not in weights or not (wanted is None or name in wanted):
                continue
            array = as_array(weights[name])
            if isinstance(place, Parameter):
                for vectors in self._vectors:
                    self._layout.view(vectors, place)[...] = array
            else:
                self._buffers[0][place] = array.astype(self._layout.buffers[place].dtype)
        self._buffers = [self._buffers[0], list(self._buffers[0])]
        self.bind()

    def _kept_apart(self) -> dict[str, int]:
        """Buffers that are not in the `state_dict` (persistent=False), by name, and their index."""
        names = self.computer.model.state_dict()
        buffers = enumerate(self._layout.buffers)
        return {buffer.name: i for i, buffer in buffers if buffer.name not in names}

    def _places(self) -> dict[str, Parameter | int]:
        """For each name of the model's `state_dict` a parameter, tied ones more than once, or the
        index of a buffer."""
        model, layout = self.computer.model, self._layout
        places: dict[int, Parameter | int] = {id(b): i for i, b in enumerate(model.buffers())}
        places |= {id(t): p for t, p in zip(self.computer.tensors, layout.parameters, strict=True)}
        return {name: places[id(t)] for name, t in model.state_dict(keep_vars=True).items()}

    # ------------------------------------------------------------------------------ the update

    def _written_together(self) -> frozenset[int]:
        """The parts that must all have come before one of them can be written."""
        chunks = frozenset(chunk.index for chunk in self._layout.chunks)
        if self._skips:
            return chunks | {self._layout.tail}
        by_chunk = self._is_by_element and self.computer.job.clip_grad_norm is None
        return frozenset() if by_chunk else chunks

    def _mean(self, chunk: Chunk, part: ChunkSum) -> None:
        """A chunk's gradient: divide, check, clip by value; keep it, if others must come first."""
        if part.weight:
            self._reached |= part.reached
            np.divide(part.grad, part.weight, out=part.grad)  # the one division
            self._check_finite(chunk, part.grad)
            if self.computer.job.clip_grad_value is not None:
                clip_value(part.grad, self.computer.job.clip_grad_value)
        if self._together:
            self._layout.slice(self._gradient, chunk)[...] = part.grad

    def _write_part(self, index: int, part: Part) -> None:
        if isinstance(part, TailSum):
            self._write_buffers(part)
            return
        chunk = self._layout.chunks[index]
        for piece in self._layout.pieces(chunk):
            self._write(piece, part.grad[piece.lo - chunk.start : piece.hi - chunk.start])

    def _write_together(self) -> list[int]:
        """All parameters, gradients clipped by norm; or, in a step that is skipped, copies."""
        if self._nonfinite is not None:
            self._reached = 0
            self._buffers[(self.version + 1) % 2] = self._buffers[self.version % 2]
        elif self._skips and self._tail is not None:
            self._write_buffers(self._tail)
        self._clip()
        for i, p in enumerate(self._layout.parameters):
            if p.trainable:
                piece = Piece(i, p.start, p.start + p.size)
                self._write(piece, self._gradient[p.vector][piece.lo : piece.hi])
        return sorted(self._together)

    def _write_buffers(self, tail: TailSum) -> None:
        self._buffers[(self.version + 1) % 2] = [
            tail.buffers[i].apply(buffer) if i in tail.buffers else buffer
            for i, buffer in enumerate(self._buffers[self.version % 2])
        ]

    def _clip(self) -> None:
        most = self.computer.job.clip_grad_norm
        if most is not None and self._reached:
            self._norm = clip_norm(
                [
                    self._layout.view(self._gradient, p)
                    for i, p in enumerate(self._layout.parameters)
                    if self._reached >> i & 1
                ],
                most,
            )

    def _write(self, piece: Piece, gradient: Array) -> None:
        """The next version of a part of a parameter; where nothing was reached, a copy."""
        i = piece.parameter
        parameter, group = self._layout.parameters[i], self._state.groups[i]
        old, new = self._vectors[self.version % 2], self._vectors[(self.version + 1) % 2]

        def shaped(vector: Array) -> Array:
            view = vector[piece.lo : piece.hi]
            return view if self._is_by_element else view.reshape(parameter.shape)

        w, out = shaped(old[parameter.vector]), shaped(new[parameter.vector])
        if group is None or not self._reached >> i & 1:
            np.copyto(out, w)
            return
        arrays, t = self._state.of(i, group, shaped)
        group = self.rates.group(group, self.version)
        with np.errstate(all="ignore"):  # as in a forward: inf and nan are values, not warnings
            self.optimizer.update(w, gradient.reshape(w.shape), out, arrays, t, group)

    def _check_finite(self, chunk: Chunk, gradient: Array) -> None:
        if np.isfinite(gradient).all():
            return
        at = chunk.start + int(np.argmin(np.isfinite(gradient)))
        [bad] = [p.parameter for p in self._layout.pieces(chunk) if p.lo <= at < p.hi] or [0]
        if not self._skips:
            raise NonFiniteError(self.version, self._layout.parameters[bad].name)
        self._nonfinite = bad if self._nonfinite is None else min(bad, self._nonfinite)

    def _outcome(self, batch: Batch, tail: TailSum) -> StepOutcome:
        logs = means(tail)
        loss = logs.pop("loss")
        lr = self.rates.at(batch.step)
        skipped = None if tail.weight else "weight 0"
        if self._nonfinite is not None:
            name = self._layout.parameters[self._nonfinite].name
            skipped = f"the gradient of {name} is not finite"
        return StepOutcome(
            *(batch.step, batch.epoch, loss, tail.weight, tail.samples, lr, logs),
            grad_norm=self._norm,
            skipped=skipped,
        )

    def _require_there(self, version: int, part: int | None) -> None:
        """part: None for what is the same in all versions."""
        is_next = version == self.version + 1 and (part is None or part in self._written)
        assert version == self.version or is_next, (
            f"part {part} of version {version} is not there; version {self.version} is committed"
        )


def as_array(value: Any) -> Array:
    """A tensor's array, or the array that it is already."""
    return value._array if isinstance(value, Tensor) else np.asarray(value)


def _name(place: Parameter | int) -> str:
    return place.name if isinstance(place, Parameter) else ""


def _require_evaluations(computer: LeafComputer, rates: Rates) -> None:
    """Whatever depends on evaluations needs some, with the metric that is watched."""
    job, who = computer.job, type(computer.job).__name__
    if computer.schedule.eval_samples:
        if job.monitor.split()[1] != "loss":
            _require_metric(computer)
    elif job.patience is not None:
        raise JobError(f"patience={job.patience}, but {who}.eval_data gives nothing to evaluate")
    elif rates.wants_metric:
        raise JobError(f"{who}.lr_scheduler needs evaluations, but eval_data gives nothing")


def _require_metric(computer: LeafComputer) -> None:
    """Look for the metric in one leaf of an evaluation, as far as `summary` can do with that."""
    job = computer.job
    tail = computer.evaluate(0, 0).tail
    try:
        metrics = job._metrics(means(tail))
    except JobError:
        return  # the whole evaluation may do; else it says so
    Monitor.of(job.monitor, job.patience).value(metrics)
