"""Map-style datasets: a length and samples by index."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dtrain.autograd import Tensor

Array = NDArray[Any]
T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """A map-style dataset. Subclasses define `__len__` and `__getitem__(index)`.

    A sample must be a function of its index, and of `dtrain.rng()` where it is augmented.

    Optional, for speed (see `dtrain.data.fetch`):
        __getitems__(indices) -> list of samples, as in PyTorch
        take(indices) -> what default_collate of those samples gives, all at once
    """

    def __getitem__(self, index: int) -> T:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")


class Subset(Dataset[T]):
    """The samples of a dataset at the given indices, in that order."""

    def __init__(self, dataset: Dataset[T], indices: Sequence[int] | Array) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int) -> T:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are rows: `dataset[i] == tuple(t[i] for t in tensors)`.

    tensors: Tensors, NumPy arrays or nested lists of numbers, each of shape (n, ...). Arrays are
             shared, not copied.
    Raises:  ValueError when there are none, or their first dimensions differ.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor | ArrayLike) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(np.asarray(t)) for t in tensors)
        rows = [t._array.shape[:1] for t in self.tensors]
        if not rows or rows[0] == () or any(n != rows[0] for n in rows):
            shapes = ", ".join(str(t._array.shape) for t in self.tensors) or "none"
            raise ValueError(f"Size mismatch between tensors: first dimensions of {shapes}")

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(Tensor(np.asarray(t._array[index])) for t in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0]._array.shape[0])

    def take(self, indices: Array) -> list[Tensor]:
        """The batch of these rows: shapes (len(indices), ...)."""
        return [Tensor(t._array[indices]) for t in self.tensors]
