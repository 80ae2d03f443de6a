"""The greatest element of every window. (Means over windows are `resample` with other tables.)"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.op import fused, op
from dtrain.autograd.ops.logic import anchor
from dtrain.autograd.ops.resample import BLOCK, Table
from dtrain.autograd.ops.shape import reshape, take_along
from dtrain.autograd.ops.windows import copy_rows
from dtrain.autograd.value import Array, Value


def _max_pool_formula(x: Any, *, tables: tuple[Table, ...]) -> Any:
    lead = x.shape[: x.ndim - len(tables)]
    array = x._array if isinstance(x, Value) else x
    indices = max_pool_indices(array, tables=tables)
    planes = reshape(anchor(x), shape=(*lead, prod(x.shape[len(lead) :])))
    flat = indices.reshape(*lead, prod(indices.shape[len(lead) :]))
    return reshape(take_along(planes, indices=flat, axis=len(lead)), shape=indices.shape)


@fused("x", formula=_max_pool_formula)
def max_pool(x: Array, *, tables: tuple[Table, ...]) -> tuple[Array, Any]:
    """The greatest element of every window over the last axes, one table of windows each.

    The gradient goes to the first of equal ones in C order; nan is greater than any number.
    Shapes:  x (..., *sizes);  result (..., *outs).
    """
    x = canonical(x)
    planes, outs = _planes(x, tables)
    out = np.empty((len(planes), *outs), x.dtype)
    for block in _blocks(planes):
        part = planes[block]
        for axis, table in enumerate(tables, 1):
            part = _greatest(part, table, axis)
        out[block] = part

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array]:
        own = canonical(g).reshape(len(planes), prod(outs))
        into = np.zeros((len(planes), prod(planes.shape[1:])), g.dtype)
        alone = all(table.is_disjoint for table in tables)
        for block in _blocks(planes):
            part = planes[block]
            at = _places(_winners(part, tables), tables).reshape(len(part), prod(outs))
            at += into.shape[1] * np.arange(len(at))[:, None]
            flat = into[block].reshape(-1)
            if alone:
                flat[at] = own[block]
            else:
                np.add.at(flat, at.reshape(-1), own[block].reshape(-1))
        return (into.reshape(x.shape),)

    return out.reshape(*x.shape[: x.ndim - len(tables)], *outs), backward


@op()
def max_pool_indices(x: Array, *, tables: tuple[Table, ...]) -> Array:
    """Where in its plane (*sizes, in C order) each element of `max_pool` comes from; int64."""
    x = canonical(x)
    planes, outs = _planes(x, tables)
    out = np.empty((len(planes), *outs), np.int64)
    for block in _blocks(planes):
        out[block] = _places(_winners(planes[block], tables), tables)
    return out.reshape(*x.shape[: x.ndim - len(tables)], *outs)


def _planes(x: Array, tables: tuple[Table, ...]) -> tuple[Array, tuple[int, ...]]:
    """x as (planes, *sizes), and the shape of a plane of the result."""
    lead = x.ndim - len(tables)
    return x.reshape(prod(x.shape[:lead]), *x.shape[lead:]), tuple(table.out for table in tables)


def _blocks(planes: Array) -> list[slice]:
    step = max(1, BLOCK // max(1, prod(planes.shape[1:])))
    return [slice(start, start + step) for start in range(0, len(planes), step)]


def _greatest(x: Array, table: Table, axis: int) -> Array:
    """max over the windows of one axis."""
    ahead = (slice(None),) * axis
    taps = [((*ahead, outs), (*ahead, sources)) for outs, sources, _ in table.indices]
    done = 1  # the first tap is part of the first input of each output
    if len(taps) > 1 and all(len(tap.outs) == table.out for tap in table.taps[:2]):
        out, done = np.maximum(x[taps[0][1]], x[taps[1][1]], order="C"), 2
    else:
        out = np.array(x[(*ahead, _first_of_all(table))], order="C")
    for outs, sources in taps[done:]:
        _raise_to(out, outs, x[sources])
    return out


def _raise_to(out: Array, outs: tuple[Any, ...], values: Array) -> None:
    if isinstance(outs[-1], slice):
        np.maximum(out[outs], values, out=out[outs])
    else:
        out[outs] = np.maximum(out[outs], values)


def _winners(x: Array, tables: tuple[Table, ...]) -> Array:
    """Which tap of every window is the greatest: (planes, *outs), taps numbered in C order.

    The last axis first: then ties go to the first in C order, and several nan to the last, as in
    PyTorch.
    """
    total = prod(len(table.taps) for table in tables)
    code = np.zeros((), np.min_scalar_type(max(total - 1, 0)))
    has_nan = x.dtype.kind == "f" and bool(np.isnan(x).any())
    behind = 1
    for axis in range(len(tables), 0, -1):
        x, code = _stage(x, code, tables[axis - 1], axis, behind, has_nan)
        behind *= len(tables[axis - 1].taps)
    return code


def _stage(
    x: Array, code: Array, table: Table, axis: int, behind: int, has_nan: bool
) -> tuple[Array, Array]:
    """One axis of `_winners`: the greatest, and the number of its tap along the axes so far."""
    ahead: Any = (slice(None),) * axis
    first = _first_of_all(table)
    best = _dense(x[(*ahead, first)])
    codes = _dense(code[(*ahead, first)]) if code.ndim else np.zeros(best.shape, code.dtype)
    if not isinstance(first, slice):
        codes += _along((table.first[0] * behind).astype(code.dtype), best, axis)
    for number, (outs, sources, _) in enumerate(table.indices):
        if number == 0 and isinstance(first, slice):
            continue
        into, source = (*ahead, outs), (*ahead, sources)
        values, held, kept = _dense(x[source]), best[into], codes[into]
        better = values > held
        if has_nan:
            better |= np.isnan(values)
        own = (_dense(code[source]) if code.ndim else code) + code.dtype.type(number * behind)
        mask = np.negative(better.view(np.uint8).astype(code.dtype, copy=False))
        kept ^= (kept ^ own) & mask  # several times as fast as a masked copy
        np.maximum(held, values, out=held)
        if not isinstance(outs, slice):  # then `held` and `kept` are copies
            best[into], codes[into] = held, kept
    return best, codes


def _dense(x: Array) -> Array:
    """A copy in C order."""
    out = np.empty(x.shape, x.dtype)
    copy_rows(out, x)
    return out


def _along(numbers: Array, like: Array, axis: int) -> Array:
    return numbers.reshape(-1, *(1,) * (like.ndim - axis - 1))


def _places(codes: Array, tables: tuple[Table, ...]) -> Array:
    """Where in its plane each of `_winners` is."""
    start, offset = np.zeros((), np.int64), np.zeros((), np.int64)
    for table in tables:
        assert table.starts is not None
        start = start[..., None] * table.size + table.starts
        offset = offset[..., None] * table.size + table.step * np.arange(len(table.taps))
    places: Array = offset.reshape(-1).take(codes)
    places += start
    return places


def _first_of_all(table: Table) -> Any:
    """The index of the first input of every output: a slice if the first tap has them all."""
    if table.taps and len(table.taps[0].outs) == table.out:
        return table.indices[0][1]
    return table.first[1]
