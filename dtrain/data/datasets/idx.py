"""The idx files of MNIST and its kin."""

import gzip

import numpy as np
from numpy.typing import NDArray

from dtrain.data.datasets.published import Published, Root, Source, contents


def load(root: Root, source: Source, file: Published) -> NDArray[np.uint8]:
    """The array in one published file below `root`. Raises JobError as `contents` does."""
    return read(gzip.decompress(contents(root, source, file)))


def read(data: bytes) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes.

    Format: two zero bytes, 8 (unsigned byte), the number of dimensions; each dimension as a
    big-endian uint32; then the bytes in C order.
    Raises ValueError for anything else.
    """
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"not an idx file of unsigned bytes: it starts with {data[:4].hex()}")
    header = 4 + 4 * data[3]
    shape = tuple(int(n) for n in np.frombuffer(data[4:header], ">u4"))
    if len(shape) != data[3] or len(data) != header + int(np.prod(shape, dtype=np.int64)):
        raise ValueError(f"an idx file of shape {shape} cannot have {len(data)} bytes")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
