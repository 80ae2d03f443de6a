"""Sequences of different lengths without padding: the first step of all, then the second, ..."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple, Self, TypeAlias

from dtrain.autograd.functions import arange, cat, empty_like
from dtrain.autograd.tensor import Tensor

__all__ = ["PackedSequence", "invert_permutation"]

Run: TypeAlias = tuple[Tensor, list[Tensor]]  # an output and the last states
Layer: TypeAlias = Callable[[Tensor, list[Tensor]], Run]


class _Fields(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Fields):
    """Steps of sequences that are sorted by length, the longest first; made by `pack_sequence` and
    `pack_padded_sequence`.

    data:              (all steps, *): at each step those sequences that are not over
    batch_sizes:       how many these are, for each step
    sorted_indices:    which sequence became the first, which the second, ...; None as they were
    unsorted_indices:  the way back
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """With data of another dtype."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self.with_data(data)

    def with_data(self, data: Tensor) -> Self:
        """With other data for the same steps."""
        return type(self)(data, *self[1:])

    def cpu(self) -> Self:
        """Itself."""
        return self

    def double(self) -> Self:
        """In float64."""
        return self.with_data(self.data.double())

    def float(self) -> Self:
        """In float32."""
        return self.with_data(self.data.float())

    def half(self) -> Self:
        """In float16."""
        return self.with_data(self.data.half())

    def long(self) -> Self:
        """In int64."""
        return self.with_data(self.data.long())

    def int(self) -> Self:
        """In int32."""
        return self.with_data(self.data.int())

    def pin_memory(self) -> Self:
        """Itself."""
        return self

    def is_pinned(self) -> bool:
        """Never."""
        return False

    @property
    def is_cuda(self) -> bool:
        """Never."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Where each index stands in a permutation."""
    if permutation is None:
        return None
    found = empty_like(permutation)
    found[permutation] = arange(len(permutation))
    return found


class Stretch(NamedTuple):
    """Steps at which the same sequences run."""

    start: int  # of its rows in the data
    steps: int
    batch: int


def stretches(batch_sizes: Tensor) -> Iterator[Stretch]:
    """In the order of time."""
    start = 0
    for batch, steps in groupby(batch_sizes.tolist()):
        count = len(list(steps))
        yield Stretch(start, count, batch)
        start += batch * count


def run(layer: Layer, x: Tensor, states: list[Tensor], sizes: Tensor, reverse: bool) -> Run:
    """One recurrent layer in one direction over packed data (all steps, features).

    `layer(x, states)` runs it over steps (t, n, features) from states (n, ...); the states given
    and returned are of all sequences, in their order.
    """
    outs: list[Tensor] = []
    over: list[list[Tensor]] = []  # the states of sequences that have ended, the last one first
    now = [state[:0] if reverse else state for state in states]
    found = list(stretches(sizes))
    for start, steps, batch in found[::-1] if reverse else found:
        if reverse:
            begin = [state[len(now[0]) : batch] for state in states]
            now = [cat(pair) for pair in zip(now, begin, strict=True)]
        else:
            over.insert(0, [state[batch:] for state in now])
            now = [state[:batch] for state in now]
        rows = x[start : start + steps * batch]
        out, now = layer(rows.reshape(steps, batch, x.shape[1]), now)
        outs.append(out.reshape(steps * batch, out.shape[2]))
    last = [cat(parts) for parts in zip(now, *over, strict=True)]
    return cat(outs[::-1] if reverse else outs), last
