"""The published idx files of MNIST and its kin: finding, checking and reading them."""

import gzip
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dtrain.errors import JobError


@dataclass(frozen=True)
class Published:
    """A file as its authors published it."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """A data set: its name, where people get it, and the folders below a root to look in."""

    name: str
    origin: str
    folders: tuple[str, ...]


def load(root: str | os.PathLike[str] | None, source: Source, file: Published) -> NDArray[np.uint8]:
    """The array in one published file below `root`.

    Raises JobError that says what is missing or damaged, where it was looked for, and where to
    get it.
    """
    if root is None:
        raise JobError(
            f"{source.name}: no data folder was given; pass --data DIR or set DTRAIN_DATA to a "
            f"folder that holds {file.name}, from {source.origin}"
        )
    folders = [Path(root, folder) for folder in source.folders]
    found = [folder / file.name for folder in folders if (folder / file.name).is_file()]
    for path in found:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() == file.sha256:
            return read(gzip.decompress(data))
    if found:
        raise JobError(
            f"{source.name}: {_listed(found)} is not the published file (its SHA-256 is not "
            f"{file.sha256}): damaged, or another data set's; get {file.name} again from "
            f"{source.origin}"
        )
    raise JobError(
        f"{source.name}: {file.name} is missing; looked in {_listed(folders)}; "
        f"get it from {source.origin}, and leave it compressed"
    )


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


def _listed(paths: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in paths)
