"""From sample indices to a batch: what a leaf calls, once."""

import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dtrain.data.collate import default_collate
from dtrain.data.dataset import Subset

Collate = Callable[[list[Any]], Any]
Scope = Callable[[int], AbstractContextManager[Any]]
Indices = NDArray[np.int64]


def no_scope(index: int) -> AbstractContextManager[Any]:
    """For data that draws no random numbers."""
    return nullcontext()


def fetch(
    dataset: Any,
    indices: Iterable[int],
    collate: Collate = default_collate,
    scope: Scope = no_scope,
) -> Any:
    """The collated batch of the samples at `indices`, in that order.

    scope: opened around each `__getitem__(index)`, with the index into `dataset`; it keys that
           sample's randomness.

    With the default collate, a dataset's `take(indices)` is used where it has one (also below
    Subsets), else its own `__getitems__(indices)`: both read all samples at once, so `scope`
    does not apply and `dtrain.rng()` is the surrounding leaf's.

    Raises what the dataset raises: its traceback is kept, and a note names the sample.
    """
    at = np.fromiter(indices, np.int64)
    if collate is not default_collate:
        return collate(_one_by_one(dataset, at, scope))
    base, rows = _below_subsets(dataset, at)
    if hasattr(base, "take"):
        return base.take(rows)
    if hasattr(dataset, "__getitems__"):
        return collate(list(dataset.__getitems__(at.tolist())))
    return collate(_one_by_one(dataset, at, scope))


def _below_subsets(dataset: Any, at: Indices) -> tuple[Any, Indices]:
    """The dataset that Subsets look into, and the indices there."""
    while type(dataset) is Subset:
        dataset, at = dataset.dataset, np.asarray(dataset.indices, np.int64)[at]
    return dataset, at


def _one_by_one(dataset: Any, at: Indices, scope: Scope) -> list[Any]:
    samples = []
    for index in at.tolist():
        try:
            with scope(index):
                samples.append(dataset[index])
        except Exception as error:
            error.add_note(_note(dataset, index, error))
            raise
    return samples


def _note(dataset: Any, index: int, error: Exception) -> str:
    """One line that says it all: it may be the only one that is shown."""
    what = "".join(traceback.format_exception_only(type(error), error)).splitlines()
    return f"sample {index} of {type(dataset).__name__}: {what[0]}"
