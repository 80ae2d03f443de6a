"""Making one batch of a list of samples."""

from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy
from typing import Any, TypeAlias

import numpy as np

from dtrain.autograd import Tensor

Samples: TypeAlias = Sequence[Any]


def default_collate(batch: Samples) -> Any:
    """Stack samples, field by field, along a new first dimension.

        Tensor, array              -> Tensor (n, ...) of the same dtype
        NumPy number               -> Tensor (n,) of the same dtype
        float; int; bool           -> Tensor (n,), float64; int64; bool
        str, bytes                 -> the list of them
        mapping, named tuple, list -> the same, of collated fields
        tuple                      -> a list of collated fields

    Raises:  ValueError for an empty batch, TypeError for another type, RuntimeError when the
             samples' shapes or lengths differ.
    Source:  torch.utils.data.default_collate (2.13).
    """
    if len(batch) == 0:
        raise ValueError("default_collate: an empty batch has no shape")
    for types, collate in _COLLATE.items():
        if isinstance(batch[0], types):
            return collate(batch)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(batch[0])}"
    )


def _tensors(batch: Samples) -> Tensor:
    return _stack([sample._array for sample in batch])


def _arrays(batch: Samples) -> Tensor:
    if batch[0].dtype.kind in "SUO":
        raise TypeError(f"default_collate: cannot make a tensor of {batch[0].dtype} arrays")
    return _stack([np.asarray(sample) for sample in batch])


def _stack(arrays: list[Any]) -> Tensor:
    first = arrays[0].shape
    for i, array in enumerate(arrays):
        if array.shape != first:
            raise RuntimeError(
                "stack expects each tensor to be equal size, "
                f"but got {list(first)} at entry 0 and {list(array.shape)} at entry {i}"
            )
    return Tensor(np.stack(arrays))


def _numbers(batch: Samples) -> Tensor:
    return Tensor(np.asarray(batch))


def _floats(batch: Samples) -> Tensor:
    return Tensor(np.asarray(batch, np.float64))


def _integers(batch: Samples) -> Tensor:
    all_bool = all(isinstance(sample, bool) for sample in batch)
    return Tensor(np.asarray(batch, np.bool_ if all_bool else np.int64))


def _texts(batch: Samples) -> Samples:
    return batch


def _mappings(batch: Samples) -> Any:
    first = batch[0]
    fields = {key: default_collate([sample[key] for sample in batch]) for key in first}
    if not isinstance(first, MutableMapping):
        return fields
    same_type = copy(first)  # it may have attributes of its own
    same_type.update(fields)
    return same_type


def _sequences(batch: Samples) -> Any:
    first = batch[0]
    if any(len(sample) != len(first) for sample in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    fields = [default_collate(samples) for samples in zip(*batch, strict=True)]
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*fields)
    if isinstance(first, MutableSequence):
        same_type = copy(first)
        same_type[:] = fields
        return same_type
    return fields


# In order: np.float64 is a float too, bool is an int, str is a sequence.
_COLLATE: Mapping[Any, Callable[[Samples], Any]] = {
    Tensor: _tensors,
    np.ndarray: _arrays,
    (np.bool_, np.number): _numbers,
    float: _floats,
    int: _integers,
    (str, bytes): _texts,
    Mapping: _mappings,
    Sequence: _sequences,
}
