"""Reading many samples in one call, where a dataset can."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dtrain.autograd import Tensor
from dtrain.data.dataset import Dataset, Subset


def newest(dataset: Any, name: str) -> bool:
    """Whether a dataset's class has this method, and no subclass defines `__getitem__` anew.

    Someone who writes `__getitem__` below TensorDataset means that samples are read by it.
    """
    for cls in type(dataset).__mro__:
        if vars(cls).get(name) is not None:
            return True
        if "__getitem__" in vars(cls):
            return False
    return False


def taken(dataset: Any, indices: Any) -> Any:
    """The collated batch that a Dataset's `take` gives, also below Subsets.

    None if it has no `take`, or the indices are no whole numbers. `take` of anything else, such
    as an array or a Tensor, means something else.
    """
    base = dataset
    while type(base) is Subset:
        base = base.dataset
    if not isinstance(base, Dataset) or not newest(base, "take"):
        return None
    at = np.asarray(indices)
    while _are_whole(at) and type(dataset) is Subset:
        dataset, at = dataset.dataset, _picked(dataset.indices, at)
    return base.take(at) if _are_whole(at) else None  # type: ignore[attr-defined]  # it is there


def _picked(indices: Any, at: NDArray[Any]) -> NDArray[Any]:
    """indices[at], without making an array of all of a long list for a few."""
    if isinstance(indices, Tensor):
        indices = indices._array
    if isinstance(indices, np.ndarray):
        picked: NDArray[Any] = indices[at]
        return picked
    return np.array([indices[i] for i in at.tolist()]) if len(at) else at


def _are_whole(at: NDArray[Any]) -> bool:
    return at.dtype.kind in "iu" and at.ndim == 1
