"""Datasets: samples by index, or one after the other, and datasets made of datasets."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dtrain.autograd import Tensor, wrap

Array = NDArray[Any]
T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """A map-style dataset. Subclasses define `__len__` and `__getitem__(index)`.

    A sample must be a function of its index, and of `dtrain.rng()` where it is augmented.

    Optional, for speed:
        __getitems__(indices) -> list of samples, as in PyTorch
        take(indices) -> what default_collate of those samples gives, all at once

    A subclass that defines `__getitem__` anew is read by it, not by a `take` or `__getitems__`
    that it inherited.
    """

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: "Dataset[Any]") -> "Dataset[Any]":
        """The samples of one dataset, then those of the other."""
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T], Iterable[T]):
    """A dataset that is read from beginning to end. Subclasses define `__iter__`.

    It is for a `DataLoader` alone: a job needs samples by index. With worker processes, each has
    a copy of the dataset; `get_worker_info()` tells a copy which part of the samples is its own.
    """

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        """The samples of one dataset, then those of the other."""
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are rows: `dataset[i] == tuple(t[i] for t in tensors)`.

    tensors: Tensors, NumPy arrays or nested lists of numbers, each of shape (n, ...). Arrays are
             shared, not copied.
    Raises:  AssertionError, as PyTorch does, when their first dimensions differ or there is none.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor | ArrayLike) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else wrap(np.asarray(t)) for t in tensors)
        rows = [t._array.shape[:1] for t in self.tensors]
        if not rows or rows[0] == () or any(n != rows[0] for n in rows):
            shapes = ", ".join(str(t._array.shape) for t in self.tensors) or "none"
            raise AssertionError(f"Size mismatch between tensors: first dimensions of {shapes}")

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(_row(tensor, index) for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0]._array.shape[0])

    def take(self, indices: Array) -> list[Tensor]:
        """The batch of these rows: shapes (len(indices), ...)."""
        return [
            t[indices] if t.requires_grad else wrap(t._array.take(indices, axis=0))
            for t in self.tensors
        ]


def _row(tensor: Tensor, index: Any) -> Tensor:
    if tensor.requires_grad or not isinstance(index, int | np.integer):
        row: Tensor = tensor[index]
        return row
    return wrap(tensor._array[index, ...])  # the dots: a view also of a single number


class Subset(Dataset[T]):
    """The samples of a dataset at the given indices, in that order."""

    def __init__(self, dataset: Dataset[T], indices: Sequence[int] | Array) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T]:
        """The samples at these places, in one call where the dataset can."""
        return _items(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T]):
    """Datasets one after the other. Raises AssertionError for none, or an IterableDataset."""

    def __init__(self, datasets: Iterable[Dataset[T]]) -> None:
        self.datasets: list[Any] = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        sample: T = self.datasets[which][index - before]
        return sample


class StackDataset(Dataset[Any]):
    """Datasets side by side: sample i is the tuple of their samples i, or the dict by name.

    Raises ValueError for no dataset, different lengths, or both positions and names.
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Dataset[Any], **kwargs: Dataset[Any]) -> None:
        if args and kwargs:
            raise ValueError("Datasets are given by position or by name, but not both.")
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = {len(dataset) for dataset in self._parts()}
        if len(lengths) > 1:
            raise ValueError("Size mismatch between datasets")
        [self._length] = lengths

    def __getitem__(self, index: Any) -> Any:
        return self._sample([dataset[index] for dataset in self._parts()])

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """The samples at these places, in one call for each dataset that can."""
        columns = [_items(dataset, indices) for dataset in self._parts()]
        for column in columns:
            if len(column) != len(indices):
                raise ValueError(
                    "Nested dataset's output size mismatch. "
                    f"Expected {len(indices)}, got {len(column)}"
                )
        return [self._sample(fields) for fields in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _sample(self, fields: Sequence[Any]) -> Any:
        if isinstance(self.datasets, dict):
            return dict(zip(self.datasets, fields, strict=True))
        return tuple(fields)


class ChainDataset(IterableDataset[T]):
    """Iterable datasets one after the other. Raises AssertionError, when read, for another kind."""

    def __init__(self, datasets: Iterable[Dataset[T]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[T]:
        for dataset in self.datasets:
            yield from _iterable(dataset)

    def __len__(self) -> int:
        return sum(len(_iterable(dataset)) for dataset in self.datasets)


def _items(dataset: Any, indices: list[Any]) -> list[Any]:
    """The samples at `indices`, by `__getitems__` where the dataset has it."""
    at_once = getattr(dataset, "__getitems__", None)
    if callable(at_once):
        found: list[Any] = at_once(indices)
        return found
    return [dataset[index] for index in indices]


def _iterable(dataset: Any) -> Any:
    if not isinstance(dataset, IterableDataset):
        raise AssertionError("ChainDataset only supports IterableDataset")
    return dataset
