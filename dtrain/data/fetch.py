"""From sample indices to a batch: what a leaf calls, once."""

import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from dtrain.data.atonce import newest, taken
from dtrain.data.collate import default_collate
from dtrain.data.dataset import StackDataset, Subset
from dtrain.data.owned import owned

Collate = Callable[[list[Any]], Any]
Scope = Callable[[Any], AbstractContextManager[Any]]


def no_scope(index: Any) -> AbstractContextManager[Any]:
    """For data that draws no random numbers."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Read:
    """Samples that were read, in order; or a whole batch, from a dataset's `take`."""

    content: Any
    is_batch: bool

    def collated(self, collate: Collate) -> Any:
        """The batch."""
        return self.content if self.is_batch else collate(self.content)

    def owned(self) -> "Read":
        """The same in memory of its own, whatever is read next. Raises NotOwnable."""
        return Read(owned(self.content), self.is_batch)


def fetch(
    dataset: Any,
    indices: Iterable[int],
    collate: Collate = default_collate,
    scope: Scope = no_scope,
) -> Any:
    """The collated batch of the samples at `indices`, in that order: `read`, then `collate`."""
    return read(dataset, indices, collate is default_collate, scope).collated(collate)


def read(dataset: Any, indices: Iterable[int], at_once: bool, scope: Scope = no_scope) -> Read:
    """The samples at `indices`, in that order, not collated yet.

    at_once: whether they may be read in one call, because the default collate comes next
    scope:   opened around each `__getitem__(index)`, with the index into `dataset`; it keys that
             sample's randomness

    At once, a Dataset's `take(indices)` is used where it has one (also below Subsets), else its own
    `__getitems__(indices)`: both read all samples in one call, so `scope` does not apply and
    `dtrain.rng()` is the surrounding leaf's.

    Raises what the dataset raises: its traceback is kept, and a note names the sample.
    """
    at = np.fromiter(indices, np.int64)
    if at_once:
        batch = taken(dataset, at)
        if batch is not None:
            return Read(batch, is_batch=True)
        # What Subset and StackDataset have is not the user's own.
        if newest(dataset, "__getitems__") and not isinstance(dataset, Subset | StackDataset):
            return Read(list(dataset.__getitems__(at.tolist())), is_batch=False)
    return Read(one_by_one(dataset, at.tolist(), scope), is_batch=False)


def one_by_one(dataset: Any, indices: Iterable[Any], scope: Scope = no_scope) -> list[Any]:
    """The samples at `indices`. A note on what a sample raises says which it was."""
    samples = []
    for index in indices:
        try:
            with scope(index):
                samples.append(dataset[index])
        except Exception as error:
            error.add_note(_note(dataset, index, error))
            raise
    return samples


def _note(dataset: Any, index: Any, error: Exception) -> str:
    """One line that says it all: it may be the only one that is shown."""
    what = "".join(traceback.format_exception_only(type(error), error)).splitlines()
    return f"sample {index} of {type(dataset).__name__}: {what[0]}"
