"""Samples in memory of their own: for a leaf that is computed while the data read others."""

from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from dtrain.autograd import Tensor, wrap
from dtrain.autograd.inference import is_inference
from dtrain.autograd.value import Array

DEPTH = 32  # of containers
SPREAD = 16  # bytes from an array's first to its last, for each byte that is its own
LINE = 64  # bytes; what is not aligned stays as it is within such a line
CONSTANT = frozenset((type(None), bool, int, float, complex, str, bytes))


class NotOwnable(Exception):
    """Samples with memory that is not known, or not known to be one array's."""


def owned(content: Any) -> Any:
    """The same content, with new memory wherever it could be changed.

        array                               -> its elements, strides and writeability
        Tensor outside a graph              -> one over such an array
        tuple, named tuple, list, dict      -> the same, of such parts
        numbers, texts, bytes, None         -> themselves

    What is there twice is there twice in the copy.

    Raises NotOwnable for any other type, also below these, and for arrays that overlap (unless
    they are read-only), or that are strewn over memory.
    """
    copies = _Copies()
    copy = copies.of(content, 0)
    _require_apart(copies.spans)
    return copy


class _Copies:
    """What was copied, by id; from where to where the arrays lay, and which may be written to."""

    def __init__(self) -> None:
        self.made: dict[int, Any] = {}
        self.spans: list[tuple[int, int, bool]] = []

    def of(self, value: Any, depth: int) -> Any:
        if type(value) in CONSTANT:
            return value
        made = self.made.get(id(value))
        if made is None:
            made = self.made[id(value)] = self._new(value, depth)
        return made

    def _new(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in (np.ndarray, np.memmap):
            return self._array(value)
        if kind is Tensor and _is_plain(value):
            return wrap(self.of(value._array, depth))
        if _is_number(value):
            return value
        if depth == DEPTH:
            raise NotOwnable("deeper than samples are")
        if kind is list and CONSTANT.issuperset(map(type, value)):  # it may be long
            return value.copy()
        if kind is dict:
            return {self.of(k, depth + 1): self.of(v, depth + 1) for k, v in value.items()}
        if kind is list:
            return [self.of(part, depth + 1) for part in value]
        if kind is tuple or _is_named(value):
            return tuple.__new__(kind, [self.of(part, depth + 1) for part in value])
        raise NotOwnable(kind.__name__)

    def _array(self, array: Array) -> Array:
        """With the same strides, as these decide in which order a sum is formed."""
        if array.dtype.hasobject:
            raise NotOwnable(f"array of {array.dtype}")
        if not array.size:
            return array
        flags, (lo, hi) = array.flags, byte_bounds(array)
        if hi - lo > SPREAD * array.nbytes:
            raise NotOwnable("an array strewn over memory")
        self.spans.append((lo, hi, flags.writeable))
        is_simple = flags.forc and flags.aligned
        copy = array.copy(order="K") if is_simple else _like(array, lo, hi)
        if not flags.writeable:
            copy.flags.writeable = False
        return copy


def _like(array: Array, lo: int, hi: int) -> Array:
    """The copy of an array that has gaps, or is not aligned, between two addresses."""
    memory = np.empty(hi - lo + LINE, np.uint8)
    start = (lo - _address(memory)) % LINE + _address(array) - lo
    copy = np.ndarray(array.shape, array.dtype, memory.data, start, array.strides)
    copy[...] = array
    return copy.view(type(array))


def _require_apart(spans: list[tuple[int, int, bool]]) -> None:
    """A change of one array must not be one of another: that is not so of copies."""
    end = writeable_end = 0
    for lo, hi, writeable in sorted(spans):
        if lo < (end if writeable else writeable_end):
            raise NotOwnable("two arrays over the same memory")
        end = max(end, hi)
        writeable_end = max(writeable_end, hi) if writeable else writeable_end


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _is_number(value: Any) -> bool:
    """One of NumPy's, which never change; but a record does, and may have objects inside."""
    return (
        isinstance(value, np.generic)
        and type(value) is value.dtype.type
        and value.dtype.kind != "V"
    )


def _is_named(value: Any) -> bool:
    """A named tuple, without attributes of its own."""
    return (
        isinstance(value, tuple)
        and hasattr(value, "_fields")
        and not getattr(value, "__dict__", None)
    )


def _is_plain(tensor: Tensor) -> bool:
    """Only an array: without gradients, outside every graph, and of the usual mode."""
    if tensor.wants_grad() or tensor._node is not None or tensor._grad is not None:
        return False
    return not is_inference(tensor)
