"""CIFAR-10, from its binary version as published. Nothing is ever downloaded."""

import gzip
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dtrain.data.datasets.images import Images, Level
from dtrain.data.datasets.published import Published, Root, Source, as_it_is, contents

RECORD_BYTES = 1 + 3 * 32 * 32  # the label, then red, green and blue, row by row


class CIFAR10(Images):
    """Colour photographs, 32 x 32, 10 classes: 50,000 to train on and 10,000 to test on.

    root:    the folder of data_batch_1.bin ... data_batch_5.bin and test_batch.bin, each as it is
             or packed as .xz or .gz; or one above it: root, root/cifar-10 and
             root/cifar-10-batches-bin are looked in. A job passes `self.data_dir`.
    train:   the training part, or the test part
    batches: which of the five training files, of 10,000 images each, to read
    shape:   of one image; channels come first: red, green, blue
    mean, std: of the training pixels in [0, 1], to normalise by, for all or for each channel. Of
             all five files: (0.4914, 0.4822, 0.4465) and (0.2470, 0.2435, 0.2616)

    Raises:  JobError that says which file is missing or damaged, and where to get it; ValueError
             for a batch that does not exist.
    Source:  A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """

    classes: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    source: ClassVar[Source] = Source(
        name="CIFAR-10",
        origin="the page of CIFAR-10 at the University of Toronto, as the binary version "
        "(cifar-10-binary.tar.gz)",
        folders=("", "cifar-10", "cifar-10-batches-bin"),
        advice=", and unpack that; of the training files, batches=(1,) reads the first alone",
    )
    train_files: ClassVar[tuple[Published, ...]] = (
        Published(
            "data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"
        ),
        Published(
            "data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"
        ),
        Published(
            "data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"
        ),
        Published(
            "data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"
        ),
        Published(
            "data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"
        ),
    )
    test_file: ClassVar[Published] = Published(
        "test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"
    )

    def __init__(
        self,
        root: Root,
        train: bool = True,
        *,
        batches: Sequence[int] = (1, 2, 3, 4, 5),
        shape: tuple[int, ...] = (3, 32, 32),
        mean: Level = 0.0,
        std: Level = 1.0,
    ) -> None:
        files = [self._train_file(n) for n in batches] if train else [self.test_file]
        parts = [read(contents(root, self.source, file, ENDINGS)) for file in files]
        records = np.concatenate(parts)
        super().__init__(
            records[:, 1:], records[:, 0], largest=255, shape=shape, mean=mean, std=std
        )

    def _train_file(self, number: int) -> Published:
        if not 1 <= number <= len(self.train_files):
            raise ValueError(f"CIFAR-10 has training batches 1 to 5, not {number}")
        return self.train_files[number - 1]


def read(data: bytes) -> NDArray[np.uint8]:
    """The records of a binary file: (n, 3073), the label first. Raises ValueError for half a one.

    Source: the page of CIFAR-10, "Binary version".
    """
    if not data or len(data) % RECORD_BYTES:
        raise ValueError(f"{len(data)} bytes are not records of {RECORD_BYTES} bytes")
    return np.frombuffer(data, np.uint8).reshape(-1, RECORD_BYTES)


def _from_xz(data: bytes) -> bytes:
    import lzma  # some builds of Python lack it

    return lzma.decompress(data)


ENDINGS = {"": as_it_is, ".xz": _from_xz, ".gz": gzip.decompress}
