"""Trainer: flat vectors and the optimizer. Takes the roots of a step, writes the next weights.

    version s      read by everybody, unchanged until step s is committed
    version s+1    written, part by part, in whatever order the roots come

There are two sets of vectors, version v in set v % 2. An update is: divide the root by its weight,
once; check that it is finite; step.
"""

from dataclasses import dataclass

import numpy as np

from dtrain.checked import optimizer_of
from dtrain.digest import digest
from dtrain.errors import NonFiniteError
from dtrain.gradsum import ChunkSum, Part, TailSum, means
from dtrain.layout import Array, Chunk, Piece
from dtrain.leaf import LeafComputer, read_only
from dtrain.optim.optimizer import Group
from dtrain.schedule import Batch


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """A committed step, as it is recorded. With weight 0 the weights stayed and loss is nan."""

    step: int
    epoch: int
    loss: float  # mean
    weight: float
    samples: int
    lr: float  # of the first parameter group
    logs: dict[str, float]  # means


class Trainer:
    """The state of a run: two versions of weights and buffers, and the optimizer's.

    The computer, which must have its initial weights, is always bound to the committed version.
    Raises JobError for an optimizer that cannot be used.
    """

    def __init__(self, computer: LeafComputer) -> None:
        self.computer = computer
        self.optimizer = optimizer_of(computer.job, computer.model)
        self.version = 0  # the last one that was committed
        self._layout = layout = computer.layout
        self._vectors = computer.vectors, {**computer.vectors, **layout.allocate_gradients()}
        self._buffers = [computer.buffers, computer.buffers]
        self._groups = self._groups_in_order()
        self._slots = self._allocate_slots()
        self._t = [0] * len(layout.parameters)  # updates that each parameter has had
        self._scalars: list[dict[str, Array]] = [{} for _ in layout.parameters]  # after those
        self.optimizer._opt_called = True  # it steps here, and schedules need not warn
        self._is_by_element = self.optimizer.scope == "element"
        self._gradient = {} if self._is_by_element else layout.allocate_gradients()
        self._applied: set[int] = set()  # parts of the step under way whose roots have come
        self._written: set[int] = set()  # those of version + 1 that are there
        self._reached = 0  # by the step under way: a bit for each parameter
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

    def digest(self) -> str:
        """SHA-256 of the committed weights and buffers, in hex."""
        state = self.computer.model.state_dict()
        return digest({name: tensor._array for name, tensor in state.items()})

    def metrics(self, tail: TailSum) -> dict[str, float]:
        """An evaluation's root as metrics: its means, and what the job's `summary` adds."""
        return self.computer.job._metrics(means(tail))

    # ---------------------------------------------------------------------------------- a step

    def apply(self, index: int, part: Part) -> list[int]:
        """Take in the root of one part of step `version`; its array is used up.

        Returns the parts of which version + 1 is written now: this one; or, where the optimizer
        must see more than a slice, all chunks with the last of them.
        Raises NonFiniteError with step and parameter.
        """
        assert index not in self._applied, f"part {index} is applied twice in step {self.version}"
        self._applied.add(index)
        if isinstance(part, TailSum):
            self._write_buffers(part)
            written = [index]
        else:
            written = self._write_chunk(self._layout.chunks[index], part)
        self._written.update(written)
        return written

    def commit(self) -> StepOutcome:
        """Version + 1 becomes the run's history; every part of it must be written."""
        tail = self._tail
        missing = set(range(self._layout.parts)) - self._written
        assert not missing, f"step {self.version} is committed without parts {sorted(missing)}"
        assert tail is not None, "the tail was applied, and is not there"
        for i, group in enumerate(self._groups):
            if group is not None and self._reached >> i & 1:
                self._t[i] += 1
                self._scalars[i] = self.optimizer.scalars(self._t[i], group, self._scalars[i])
        outcome = _outcome(
            self.computer.schedule.batch(self.version), tail, self.optimizer.param_groups[0]["lr"]
        )
        self._applied, self._written, self._reached, self._tail = set(), set(), 0, None
        self.version += 1
        side = self.version % 2
        self.computer.bind(self._vectors[side], self._buffers[side])
        return outcome

    def _write_chunk(self, chunk: Chunk, part: ChunkSum) -> list[int]:
        if part.weight:
            self._reached |= part.reached
            np.divide(part.grad, part.weight, out=part.grad)  # the one division
            self._require_finite(chunk, part.grad)
        if self._is_by_element:
            for piece in self._layout.pieces(chunk):
                self._write(piece, part.grad[piece.lo - chunk.start : piece.hi - chunk.start])
            return [chunk.index]
        self._layout.slice(self._gradient, chunk)[...] = part.grad
        return self._write_whole()

    def _write_buffers(self, tail: TailSum) -> None:
        self._tail = tail
        self._buffers[(self.version + 1) % 2] = [
            tail.buffers[i].apply(buffer) if i in tail.buffers else buffer
            for i, buffer in enumerate(self._buffers[self.version % 2])
        ]

    def _write_whole(self) -> list[int]:
        """All parameters, once the roots of all chunks are there."""
        chunks = [chunk.index for chunk in self._layout.chunks]
        if not self._applied.issuperset(chunks):
            return []
        for i, p in enumerate(self._layout.parameters):
            if p.trainable:
                piece = Piece(i, p.start, p.start + p.size)
                self._write(piece, self._gradient[p.vector][piece.lo : piece.hi])
        return chunks

    def _write(self, piece: Piece, gradient: Array) -> None:
        """The next version of a part of a parameter; where nothing was reached, a copy."""
        parameter, group = self._layout.parameters[piece.parameter], self._groups[piece.parameter]
        old, new = self._vectors[self.version % 2], self._vectors[(self.version + 1) % 2]

        def shaped(vector: Array) -> Array:
            view = vector[piece.lo : piece.hi]
            return view if self._is_by_element else view.reshape(parameter.shape)

        w, out = shaped(old[parameter.vector]), shaped(new[parameter.vector])
        if group is None or not self._reached >> piece.parameter & 1:
            np.copyto(out, w)
            return
        names = self.optimizer.slots(group)
        slots = {name: shaped(self._slots[name][parameter.vector]) for name in names}
        t = self._t[piece.parameter] + 1
        slots |= self.optimizer.scalars(t, group, self._scalars[piece.parameter])
        with np.errstate(all="ignore"):  # as in a forward: inf and nan are values, not warnings
            self.optimizer.update(w, gradient.reshape(w.shape), out, slots, t, group)

    def _require_finite(self, chunk: Chunk, gradient: Array) -> None:
        if np.isfinite(gradient).all():
            return
        at = chunk.start + int(np.argmin(np.isfinite(gradient)))
        bad = [p.parameter for p in self._layout.pieces(chunk) if p.lo <= at < p.hi]
        name = self._layout.parameters[bad[0]].name if bad else f"chunk {chunk.index}, in a gap"
        raise NonFiniteError(self.version, name)

    def _require_there(self, version: int, part: int | None) -> None:
        """part: None for what is the same in all versions."""
        is_next = version == self.version + 1 and (part is None or part in self._written)
        assert version == self.version or is_next, (
            f"part {part} of version {version} is not there; version {self.version} is committed"
        )

    def _groups_in_order(self) -> list[Group | None]:
        """Each parameter's group of options; None for one that the optimizer was not given."""
        by_id = {id(p): group for group in self.optimizer.param_groups for p in group["params"]}
        return [by_id.get(id(tensor)) for tensor in self.computer.tensors]

    def _allocate_slots(self) -> dict[str, dict[str, Array]]:
        """The optimizer's state: for each slot's name one vector for each of the gradient's."""
        groups = [group for group in self._groups if group is not None]
        names = dict.fromkeys(name for group in groups for name in self.optimizer.slots(group))
        return {name: self._layout.allocate_gradients() for name in names}


def _outcome(batch: Batch, tail: TailSum, lr: float) -> StepOutcome:
    logs = means(tail)
    loss = logs.pop("loss")
    return StepOutcome(batch.step, batch.epoch, loss, tail.weight, tail.samples, float(lr), logs)
