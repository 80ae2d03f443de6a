# A rule names its own op:
# mypy: disable-error-code="has-type"
"""Sparse linear maps along one axis: what pooling, interpolation and padding have in common.

A map is a table of taps. In one tap each output gets at most one input, times a weight; so a tap is
one vectorised assignment, whatever the input. The adjoint of a map is another table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.op import op
from dtrain.autograd.value import Array

BLOCK = 1 << 16  # elements that are worked on at a time, so that they stay in the cache

Index: TypeAlias = slice | Array


class Tap(NamedTuple):
    """outs[i] += weights[i] * sources[i], all i at once; no output occurs twice."""

    outs: Array
    sources: Array
    weights: Array | None = None  # None: ones


@dataclass(frozen=True, eq=False)
class Table:
    """A linear map from `size` inputs to `out` outputs.

    Of `spans`, tap t has the inputs starts[o] + t * step, as far as there are such.
    """

    size: int
    out: int
    taps: tuple[Tap, ...]
    starts: Array | None = None
    step: int = 1

    @cached_property
    def indices(self) -> list[tuple[Index, Index, Array | None]]:
        """The taps, with slices for indices where they are regular."""
        return [
            (_regular(outs), _regular(sources), weights) for outs, sources, weights in self.taps
        ]

    @cached_property
    def first(self) -> tuple[Array, Array]:
        """For each output, the first tap that it has, and the input that this one takes."""
        taps, sources = np.zeros((2, self.out), np.int64)
        for at, tap in reversed(list(enumerate(self.taps))):
            taps[tap.outs], sources[tap.outs] = at, tap.sources
        return taps, sources

    @cached_property
    def is_full(self) -> bool:
        """Whether every output has an input."""
        outs = np.concatenate([np.zeros(0, np.int64), *(tap.outs for tap in self.taps)])
        return len(np.unique(outs)) == self.out

    @cached_property
    def is_disjoint(self) -> bool:
        """Whether no input goes to two outputs."""
        sources = np.concatenate([np.zeros(0, np.int64), *(tap.sources for tap in self.taps)])
        return len(np.unique(sources)) == len(sources)

    @cached_property
    def adjoint(self) -> "Table":
        """The transposed map."""
        turned = [Tap(sources, outs, weights) for outs, sources, weights in self.taps]
        if all(len(np.unique(tap.outs)) == len(tap.outs) for tap in turned):
            return Table(self.out, self.size, tuple(turned))
        return _ranked(self.out, self.size, turned)


def _ranked(size: int, out: int, parts: Sequence[Tap]) -> Table:
    """A table of entries in any order: tap r has the r-th entry of every output."""
    outs = np.concatenate([part.outs for part in parts])
    sources = np.concatenate([part.sources for part in parts])
    weighted = any(part.weights is not None for part in parts)
    weights = np.concatenate([part.weights for part in parts]) if weighted else None
    order = np.lexsort((sources, outs))
    outs, sources = outs[order], sources[order]
    rank = np.arange(len(outs)) - np.searchsorted(outs, outs)
    picks = [rank == each for each in range(int(rank.max(initial=-1)) + 1)]
    weights = None if weights is None else weights[order]
    return Table(
        size,
        out,
        tuple(
            Tap(outs[pick], sources[pick], None if weights is None else weights[pick])
            for pick in picks
        ),
    )


def _regular(index: Array) -> Index:
    """A slice for the same elements, if they are evenly spaced and rise."""
    if len(index) == 0:
        return slice(0, 0)
    step = int(index[1] - index[0]) if len(index) > 1 else 1
    if step < 1 or (np.diff(index) != step).any():
        return index
    return slice(int(index[0]), int(index[-1]) + 1, step)


def spans(starts: Array, ends: Array, size: int, step: int = 1) -> Table:
    """Sums of x[start : end : step]; what lies outside of x counts as 0."""
    length = int(((ends - starts + step - 1) // step).max(initial=0))
    taps = []
    for at in range(length):
        sources = starts + at * step
        valid = np.flatnonzero((sources < ends) & (sources >= 0) & (sources < size))
        taps.append(Tap(valid, sources[valid]))
    return Table(size, len(starts), tuple(taps), starts, step)


def gather(sources: Array, size: int, weights: Array | None = None) -> Table:
    """out[o] = sum_t weights[t, o] * x[sources[t, o]]."""
    everyone = np.arange(sources.shape[1])
    taps = [
        Tap(everyone, row, None if weights is None else weights[at])
        for at, row in enumerate(sources)
    ]
    return Table(size, sources.shape[1], tuple(taps))


@op(
    prepare=lambda values: [canonical(values[0])],
    x=lambda g, axis, table: resample(g, axis=axis, table=table.adjoint),
)
def resample(x: Array, *, axis: int, table: Table) -> Array:
    """The map of a table along one axis (counted from the front) of x."""
    lead, inner = x.shape[:axis], prod(x.shape[axis + 1 :])
    source = x.reshape(prod(lead), table.size, inner)
    out = np.zeros((len(source), table.out, inner), x.dtype)
    step = max(1, BLOCK // max(1, max(table.size, table.out) * inner))
    for start in range(0, len(source), step):
        _apply(table, source[start : start + step], out[start : start + step])
    return out.reshape(*lead, table.out, *x.shape[axis + 1 :])


def _apply(table: Table, x: Array, out: Array) -> None:
    for at, (outs, sources, weights) in enumerate(table.indices):
        part: Any = x[:, sources]
        if weights is not None:
            part = part * weights.astype(x.dtype, copy=False)[:, None]
        if at or not isinstance(outs, slice):
            out[:, outs] += part
        else:
            out[:, outs] = part
