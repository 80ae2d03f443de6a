"""Files as their authors published them: finding and checking."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dtrain.errors import JobError

Root = str | os.PathLike[str] | None
Unpack = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Published:
    """A file as its authors published it."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """A data set: its name, where people get it, and the folders below a root to look in.

    advice: what else to say to someone who does not have a file
    """

    name: str
    origin: str
    folders: tuple[str, ...]
    advice: str


def as_it_is(data: bytes) -> bytes:
    """For a file that is not packed."""
    return data


PLAIN: Mapping[str, Unpack] = {"": as_it_is}


def contents(
    root: Root, source: Source, file: Published, endings: Mapping[str, Unpack] = PLAIN
) -> bytes:
    """The bytes of one published file below `root`.

    endings: what may follow the file's name, and how such a file is unpacked; the hash is that of
             the unpacked bytes

    Raises JobError that says what is missing or damaged, where it was looked for, and where to
    get it.
    """
    found = present(root, source, [file.name + ending for ending in endings])
    for path in found:
        data = _unpacked(path, endings[path.name.removeprefix(file.name)])
        if data is not None and hashlib.sha256(data).hexdigest() == file.sha256:
            return data
    raise JobError(
        f"{source.name}: {_listed(found)} is not the published file (its SHA-256 is not "
        f"{file.sha256}): damaged, or another data set's; get {file.name} again from "
        f"{source.origin}"
    )


def present(root: Root, source: Source, names: Iterable[str]) -> list[Path]:
    """The files of any of these names, the first of which is the one that people know.

    Raises JobError if there is none: it says where they were looked for.
    """
    names = list(names)
    if root is None:
        raise JobError(
            f"{source.name}: no data folder was given; pass --data DIR or set DTRAIN_DATA to a "
            f"folder that holds {names[0]}, from {source.origin}"
        )
    folders = [Path(root, folder) for folder in source.folders]
    places = [folder / name for folder in folders for name in names]
    found = [place for place in places if place.is_file()]
    if not found:
        raise JobError(
            f"{source.name}: {names[0]} is missing; looked in {_listed(folders)}; "
            f"get it from {source.origin}{source.advice}"
        )
    return found


def _unpacked(path: Path, unpack: Unpack) -> bytes | None:
    """The bytes of a file; None if it cannot be unpacked."""
    data = path.read_bytes()
    try:
        return unpack(data)
    except Exception:  # each format has errors of its own
        return None


def _listed(paths: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in paths)
