"""The digest of a state: one SHA-256 for all weights and buffers. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def digest(state: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256, in hex, over the arrays in the mapping's order.

    Each array counts with its elements alone, in C order and little-endian, without padding;
    names and shapes do not count. For a run the mapping is the model's `state_dict`.
    """
    total = hashlib.sha256()
    for array in state.values():
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        total.update(np.ascontiguousarray(little).reshape(-1).view(np.uint8).data)
    return total.hexdigest()
