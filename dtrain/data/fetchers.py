"""From what a sampler gives to a batch: what a DataLoader calls, in this process or a worker."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from dtrain.data.atonce import newest, taken
from dtrain.data.collate import default_collate
from dtrain.data.dataset import IterableDataset
from dtrain.data.fetch import one_by_one

Fetch = Callable[[Any], Any]


class Reading(NamedTuple):
    """How a loader reads: what of it, in batches or single samples, and what is made of them."""

    dataset: Any
    batched: bool
    collate: Callable[[Any], Any]
    drop_last: bool

    @property
    def is_iterable(self) -> bool:
        """Whether samples come one after the other, and not by index."""
        return isinstance(self.dataset, IterableDataset)


def fetcher(reading: Reading) -> Fetch:
    """A function from an index, or a list of them, to the batch. Raises StopIteration at the end.

    For an IterableDataset it starts reading at the beginning, and of a list of indices only the
    length counts.
    """
    if reading.is_iterable:
        return _Onward(reading, iter(reading.dataset))
    return _by_index(reading)


def _by_index(reading: Reading) -> Fetch:
    dataset, collate = reading.dataset, reading.collate
    at_once = collate is default_collate

    def fetch_sample(index: Any) -> Any:
        return collate(dataset[index])

    def fetch_batch(indices: Any) -> Any:
        batch = taken(dataset, indices) if at_once else None
        if batch is not None:
            return batch
        if newest(dataset, "__getitems__"):
            return collate(dataset.__getitems__(indices))
        return collate(one_by_one(dataset, indices))

    return fetch_batch if reading.batched else fetch_sample


@dataclass
class _Onward:
    """The next samples of an iterable dataset, until there are no more."""

    reading: Reading
    samples: Iterator[Any]
    ended: bool = False

    def __call__(self, wanted: Any) -> Any:
        if self.ended:
            raise StopIteration
        if not self.reading.batched:
            return self.reading.collate(next(self.samples))
        batch = []
        for _ in wanted:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True
                break
        if not batch or (self.reading.drop_last and len(batch) < len(wanted)):
            raise StopIteration
        return self.reading.collate(batch)
