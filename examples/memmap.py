"""Data larger than memory: images in one file, of which a step reads the pages that it needs.

python examples/memmap.py --make 2GB --data DIR
dtrain run examples/memmap.py --workers 2 --data DIR
"""

import argparse
import mmap
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dtrain
from dtrain import nn, optim
from dtrain.data import Dataset
from dtrain.errors import JobError
from dtrain.nn import functional as F

FILE = "records.bin"
CLASSES, SIZE = 10, 3 * 32 * 32
RECORD = np.dtype([("label", "u1"), ("pixels", "u1", SIZE)])  # as in CIFAR-10's binary version
BLOCK = 4096  # records that are made at a time: 12.6 MB
CONTRAST = 6  # of a class's pattern, in noise from 0 to 127
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Records(Dataset[tuple[dtrain.Tensor, int]]):
    """Sample i is (image, label) of record `first + i` of a file: float32 (SIZE,), and an int.

    Nothing of the file is held. It is mapped into memory when a sample is first asked for, in each
    process by itself, and the system reads what is touched, and may forget it again.
    """

    def __init__(self, file: Path, first: int, count: int) -> None:
        self.file, self.first, self.count = file, first, count
        self._mapped: NDArray[Any] | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[dtrain.Tensor, int]:
        images, labels = self.take(np.array([range(self.count)[index]]))
        return images[0], int(labels[0])

    def take(self, indices: NDArray[np.int64]) -> list[dtrain.Tensor]:
        """The batch of these samples: [images (n, SIZE) float32, about -1 to 1; labels int64]."""
        records = self.records[indices]  # this copies them, and only them
        images = records["pixels"].astype(np.float32)
        images *= np.float32(2 / 127)
        images -= 1
        return [dtrain.from_numpy(images), dtrain.from_numpy(records["label"].astype(np.int64))]

    @property
    def records(self) -> NDArray[Any]:
        """The records, mapped."""
        if self._mapped is None:
            whole = np.memmap(self.file, RECORD, mode="r")
            if isinstance(whole.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
                whole.base.madvise(mmap.MADV_RANDOM)  # the pages around a record are not needed
            self._mapped = whole[self.first : self.first + self.count]
        return self._mapped

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets: the path. A pickled memmap would be all of the file."""
        return {**vars(self), "_mapped": None}


class Memmap(dtrain.Job):
    max_steps: int | None = 200
    batch_size: int = 256
    micro_batches: int = 4
    eval_every: int | None = 100
    eval_records: int = 2000  # the last ones of the file; the others are trained on
    hidden: int = 64
    lr: float = 0.001

    def model(self) -> nn.Module:
        return nn.Sequential(
            nn.Linear(SIZE, self.hidden), nn.ReLU(), nn.Linear(self.hidden, CLASSES)
        )

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.Adam(model.parameters(), lr=self.lr)

    def train_data(self) -> Records:
        file, count = found(self.data_dir)
        return Records(file, 0, count - self.eval_records)

    def eval_data(self) -> Records:
        file, count = found(self.data_dir)
        return Records(file, count - self.eval_records, self.eval_records)

    def loss(self, model: nn.Module, batch: list[dtrain.Tensor]) -> dtrain.Tensor:
        images, labels = batch
        logits = model(images)
        self.log("accuracy", (logits.argmax(1) == labels).float().mean())
        return F.cross_entropy(logits, labels)


def found(folder: Path) -> tuple[Path, int]:
    """The file, and how many records it has. Raises JobError if there is none, or half a one."""
    file = folder / FILE
    if not file.is_file():
        raise JobError(
            f"{file} is missing; make one of any size, in that folder: "
            f"python {Path(__file__)} --make 2GB --data {folder}"
        )
    size = file.stat().st_size
    if size % RECORD.itemsize or size < BLOCK * RECORD.itemsize:
        raise JobError(f"{file} has {size:,} bytes, which --make did not write: make it again")
    return file, size // RECORD.itemsize


def make(folder: Path, size: int) -> Path:
    """Write a file of at least `size` bytes, a block at a time; the same one on every machine.

    Raises JobError if the disk has no room for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    blocks = -(-size // (BLOCK * RECORD.itemsize))
    free = shutil.disk_usage(folder).free
    if blocks * BLOCK * RECORD.itemsize > free:
        raise JobError(f"{folder} has room for {free / 1e9:.1f} GB; take a smaller --make")
    partial = folder / f"{FILE}.partial"
    with partial.open("wb") as file:
        for number in range(blocks):
            block(number).tofile(file)
    return partial.replace(folder / FILE)


def block(number: int) -> NDArray[Any]:
    """BLOCK records: noise, in which each class has a pattern of its own, hard to see in one."""
    noise = np.random.PCG64((number, 1)).random_raw(BLOCK * SIZE // 8).astype("<u8").view("u1")
    noise &= 127
    bits = np.random.PCG64(0).random_raw(CLASSES * SIZE).reshape(CLASSES, SIZE) & 1
    patterns = CONTRAST * bits.astype("u1")
    records = np.empty(BLOCK, RECORD)
    records["label"] = np.arange(BLOCK) % CLASSES
    np.add(noise.reshape(BLOCK, SIZE), patterns[records["label"]], out=records["pixels"])
    return records


def in_bytes(text: str) -> int:
    """2GB, 500MB, 1.5TB as a number of bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]B)", text.upper())
    if found is None or float(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write one like 500MB or 2GB")
    return int(float(found[1]) * UNITS[found[2]])


def main() -> None:
    """Make the file, or train on it."""
    if not any(argument.startswith("--make") for argument in sys.argv[1:]):
        dtrain.main(Memmap)
    parser = argparse.ArgumentParser(description="Make a file of images to train on.")
    parser.add_argument("--make", metavar="SIZE", type=in_bytes, help="500MB, 2GB, ...")
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="where to")
    arguments = parser.parse_args()
    try:
        file = make(arguments.data, arguments.make)
    except JobError as error:
        sys.exit(str(error))
    print(f"{file}: {file.stat().st_size:,} bytes, {found(file.parent)[1]:,} records")


if __name__ == "__main__":
    main()
