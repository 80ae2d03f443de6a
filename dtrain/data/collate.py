"""Making one batch of a list of samples, and tensors of one sample's arrays."""

from array import array
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy
from typing import Any, TypeAlias

import numpy as np

from dtrain.autograd import Tensor, wrap
from dtrain.autograd.functions import stack, tensor

Samples: TypeAlias = Sequence[Any]

NO_TENSOR = "SUOMm"  # kinds of arrays that no tensor can hold: texts, objects, times


def default_collate(batch: Samples) -> Any:
    """Stack samples, field by field, along a new first dimension.

        Tensor, array              -> Tensor (n, ...) of the same dtype
        NumPy number               -> Tensor (n,) of the same dtype
        float; int; bool           -> Tensor (n,), float64; int64; bool
        str, bytes                 -> the list of them
        mapping, named tuple, list -> the same, of collated fields
        tuple                      -> a list of collated fields

    Raises:  IndexError for an empty batch, TypeError for another type, RuntimeError when the
             samples' shapes or lengths differ.
    Source:  torch.utils.data.default_collate (2.13).
    """
    if len(batch) == 0:
        raise IndexError("default_collate: an empty batch has no shape")
    for types, collate in _COLLATE.items():
        if isinstance(batch[0], types):
            return collate(batch)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(batch[0])}"
    )


def default_convert(data: Any) -> Any:
    """One sample with its NumPy arrays and numbers as tensors; all else is kept.

    Looks into mappings and sequences; a tuple becomes a list, a named tuple stays one. This is
    what a DataLoader does to a sample that is not put into a batch.
    Source:  torch.utils.data.default_convert (2.13).
    """
    if isinstance(data, Tensor | str | bytes):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in NO_TENSOR else wrap(np.asarray(data))
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence):
        return _like_sequence(data, [default_convert(item) for item in data])
    return data


def _tensors(batch: Samples) -> Tensor:
    if any(sample.requires_grad for sample in batch):
        _require_equal_shapes([sample._array for sample in batch])
        stacked: Tensor = stack(list(batch))
        return stacked
    return _stack([sample._array for sample in batch])


def _arrays(batch: Samples) -> Tensor:
    if batch[0].dtype.kind in NO_TENSOR:
        raise TypeError(f"default_collate: cannot make a tensor of {batch[0].dtype} arrays")
    return _stack([np.asarray(sample) for sample in batch])


def _stack(arrays: list[Any]) -> Tensor:
    _require_equal_shapes(arrays)
    first = arrays[0]
    if any(row.dtype != first.dtype for row in arrays):
        return stack([wrap(row) for row in arrays])  # it knows PyTorch's promotion
    stacked = np.empty((len(arrays), *first.shape), first.dtype)
    for i, row in enumerate(arrays):
        stacked[i] = row
    return wrap(stacked)


def _require_equal_shapes(arrays: list[Any]) -> None:
    first = arrays[0].shape
    for i, row in enumerate(arrays):
        if row.shape != first:
            raise RuntimeError(
                "stack expects each tensor to be equal size, "
                f"but got {list(first)} at entry 0 and {list(row.shape)} at entry {i}"
            )


def _numbers(batch: Samples) -> Tensor:
    numbers = np.asarray(batch)
    if numbers.dtype.kind in NO_TENSOR:
        raise RuntimeError(f"Could not infer dtype of a batch of {batch}")
    return wrap(numbers)


def _floats(batch: Samples) -> Tensor:
    return wrap(np.array(array("d", batch)))  # NumPy itself would take None for nan


def _integers(batch: Samples) -> Tensor:
    return tensor(list(batch))


def _texts(batch: Samples) -> Samples:
    return batch


def _mappings(batch: Samples) -> Any:
    first = batch[0]
    return _like_mapping(
        first, {key: default_collate([sample[key] for sample in batch]) for key in first}
    )


def _sequences(batch: Samples) -> Any:
    first = batch[0]
    if any(len(sample) != len(first) for sample in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    fields = [default_collate(samples) for samples in zip(*batch, strict=True)]
    return _like_sequence(first, fields)


def _like_mapping(first: Mapping[Any, Any], fields: dict[Any, Any]) -> Any:
    """A mapping of the same type, with whatever attributes of its own; a dict if that fails."""
    try:
        if not isinstance(first, MutableMapping):
            return type(first)(fields)  # type: ignore[call-arg]
        same_type = copy(first)
        same_type.update(fields)
        return same_type
    except TypeError:
        return fields


def _like_sequence(first: Sequence[Any], fields: list[Any]) -> Any:
    """A named tuple or sequence of the same type; a list for a tuple, or if that fails."""
    if isinstance(first, tuple):
        return type(first)(*fields) if hasattr(first, "_fields") else fields
    try:
        if not isinstance(first, MutableSequence):
            return type(first)(fields)  # type: ignore[call-arg]
        same_type = copy(first)
        for i, field in enumerate(fields):
            same_type[i] = field
        return same_type
    except TypeError:
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
