import gzip
import hashlib
import lzma
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dtrain.data import fetch
from dtrain.data.datasets import CIFAR10
from dtrain.data.datasets.cifar import read
from dtrain.data.datasets.published import Published
from dtrain.errors import JobError

RECORD = 3073


def records(labels: list[int]) -> bytes:
    """Images whose every pixel is 10 * label, but the first red, green and blue: 1, 2, 3."""
    table = np.repeat(np.array(labels, np.uint8)[:, None] * 10, RECORD, axis=1)
    table[:, 0] = labels
    table[:, [1, 1025, 2049]] = [1, 2, 3]
    return table.tobytes()


def kind(**files: bytes) -> type[CIFAR10]:
    """CIFAR-10 with these files as the published ones."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    train = [Published(f"{name}.bin", sha) for name, sha in hashes.items() if name != "test_batch"]
    test = Published("test_batch.bin", hashes.get("test_batch", ""))
    return type("Small", (CIFAR10,), {"train_files": tuple(train), "test_file": test})


FILES = {
    "data_batch_1": records([3, 1]),
    "data_batch_2": records([0]),
    "test_batch": records([9, 8, 7]),
}
PACKED = {"": lambda data: data, ".xz": lzma.compress, ".gz": gzip.compress}


@pytest.fixture(params=PACKED)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / f"{name}.bin{request.param}").write_bytes(PACKED[request.param](data))
    return tmp_path


def test_files_are_read_in_order_packed_or_not(root: Path) -> None:
    data = kind(**FILES)(root, batches=(1, 2))
    assert (data.labels.tolist(), data.pixels.shape) == ([3, 1, 0], (3, 3, 32, 32))


def test_the_test_part_is_a_file_of_its_own(root: Path) -> None:
    assert kind(**FILES)(root, train=False).labels.tolist() == [9, 8, 7]


def test_channels_come_first_and_pixels_are_scaled(root: Path) -> None:
    image, label = kind(**FILES)(root, batches=(1,))[0]
    assert (image.shape, str(image._array.dtype), label) == ((3, 32, 32), "float32", 3)
    pixels = (image._array * 255).round()
    assert (pixels[:, 0, 0].tolist(), pixels[:, 5, 5].tolist()) == ([1, 2, 3], [30, 30, 30])


def test_each_channel_can_have_its_own_mean_and_std(root: Path) -> None:
    plain = kind(**FILES)(root, batches=(1,))
    mean, std = (0.1, 0.2, 0.3), (1.0, 2.0, 4.0)
    image = kind(**FILES)(root, batches=(1,), mean=mean, std=std)[1][0]._array
    expected = plain[1][0]._array - np.array(mean, "float32")[:, None, None]
    assert np.allclose(image, expected / np.array(std, "float32")[:, None, None])


def test_images_taken_at_once_equal_images_one_by_one(root: Path) -> None:
    data = kind(**FILES)(root, batches=(1, 2), mean=(0.1, 0.2, 0.3), std=0.5)
    images, labels = fetch(data, [2, 0])
    assert images._array[1].tobytes() == data[0][0]._array.tobytes()
    assert labels.tolist() == [0, 3]


def test_levels_for_another_number_of_channels_are_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="2 levels for channels"):
        kind(**FILES)(root, batches=(1,), mean=(0.1, 0.2))


def test_a_missing_batch_is_named_with_where_to_get_it_and_how_to_do_without(root: Path) -> None:
    with pytest.raises(JobError) as raised:
        CIFAR10(root / "elsewhere")
    text = str(raised.value)
    for part in ("data_batch_1.bin is missing", "cifar-10-binary.tar.gz", "batches=(1,)"):
        assert part in text


@pytest.mark.parametrize(("ending", "data"), [("", b"x"), (".xz", b"x"), (".gz", b"\x1f\x8bx")])
def test_a_damaged_file_is_named(tmp_path: Path, ending: str, data: bytes) -> None:
    path = tmp_path / f"test_batch.bin{ending}"
    path.write_bytes(data)
    with pytest.raises(JobError, match=f"{path} is not the published file"):
        CIFAR10(tmp_path, train=False)


def test_no_folder_at_all_is_an_error() -> None:
    with pytest.raises(JobError, match="CIFAR-10: no data folder was given"):
        CIFAR10(None)


def test_a_batch_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batches 1 to 5, not 6"):
        CIFAR10(tmp_path, batches=(6,))


@pytest.mark.parametrize("size", [0, 1, RECORD - 1, RECORD + 1])
def test_half_a_record_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="are not records of 3073 bytes"):
        read(bytes(size))


@pytest.mark.skipif(not os.environ.get("DTRAIN_DATA"), reason="DTRAIN_DATA names no data folder")
def test_the_published_files_give_the_reference_figures() -> None:
    root: Any = os.environ["DTRAIN_DATA"]
    train, test = CIFAR10(root, batches=(1,)), CIFAR10(root, train=False)
    assert (train.labels[:10].tolist(), len(train)) == ([6, 9, 9, 4, 1, 1, 2, 7, 8, 3], 10_000)
    assert (test.labels[:10].tolist(), len(test)) == ([3, 8, 8, 0, 6, 6, 1, 6, 3, 1], 10_000)
    levels = np.arange(256) / 255
    shares = [np.bincount(train.pixels[:, c].ravel(), minlength=256) / 10_240_000 for c in range(3)]
    means = [float(share @ levels) for share in shares]
    stds = [
        float(share @ levels**2 - mean**2) ** 0.5 for share, mean in zip(shares, means, strict=True)
    ]
    assert np.round(means, 4).tolist() == [0.4935, 0.4834, 0.4472]
    assert np.round(stds, 4).tolist() == [0.2476, 0.2446, 0.2626]
    assert nearest_mean_accuracy(train, test) == 0.2770


def nearest_mean_accuracy(train: CIFAR10, test: CIFAR10) -> float:
    """Share of test images whose nearest class mean, in raw pixels, is their own class's."""
    flat, asked = (data.pixels.reshape(len(data), -1).astype("float32") for data in (train, test))
    means = np.stack([flat[train.labels == c].mean(axis=0) for c in range(10)])
    distance = (means**2).sum(axis=1) - 2 * asked @ means.T
    return round(float((distance.argmin(axis=1) == test.labels).mean()), 4)
