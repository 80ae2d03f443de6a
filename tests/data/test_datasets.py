import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from dtrain.data import default_collate, fetch
from dtrain.data.datasets import MNIST, Digits, FashionMNIST, Images, idx
from dtrain.errors import JobError


def nearest_mean_accuracy(
    train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray
) -> float:
    """Share of test images whose nearest class mean, in raw pixels, is their own class's."""
    flat = train_x.reshape(len(train_x), -1).astype(np.float64)
    means = np.stack([flat[train_y == c].mean(axis=0) for c in range(10)])
    test = test_x.reshape(len(test_x), -1).astype(np.float64)
    distance = (means**2).sum(axis=1) - 2 * test @ means.T
    return float((distance.argmin(axis=1) == test_y).mean())


def all_digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 rows in the order of the file."""
    train, test = Digits(train=True), Digits(train=False)
    is_test = np.arange(1797) % 5 == 0
    pixels, labels = np.empty((1797, 64)), np.empty(1797, np.int64)
    for part, where in ((train, ~is_test), (test, is_test)):
        pixels[where], labels[where] = part.pixels, part.labels
    return pixels, labels


def test_the_digits_are_split_into_1437_and_360() -> None:
    assert (len(Digits(train=True)), len(Digits(train=False))) == (1437, 360)


def test_the_digits_have_the_published_number_of_each_class() -> None:
    counts = np.bincount(all_digits()[1]).tolist()
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_digits_give_the_reference_accuracy() -> None:
    x, y = all_digits()
    assert round(nearest_mean_accuracy(x[:1000], y[:1000], x[1000:], y[1000:]), 4) == 0.8908


def test_a_digit_is_float32_in_0_to_1_of_the_shape_asked_for() -> None:
    image, label = Digits(shape=(1, 8, 8))[0]
    assert (image._array.shape, image._array.dtype, type(label)) == ((1, 8, 8), np.float32, int)
    everything = fetch(Digits(), range(1437))[0]._array
    assert (everything.min(), everything.max()) == (0.0, 1.0)


def test_images_taken_at_once_equal_images_collated_one_by_one() -> None:
    data = Digits(mean=0.3, std=0.7)
    fast, slow = fetch(data, [3, 1]), default_collate([data[3], data[1]])
    assert [(f._array.dtype, f._array.tobytes()) for f in fast] == [
        (s._array.dtype, s._array.tobytes()) for s in slow
    ]


def test_mean_and_std_normalise_the_scaled_pixels() -> None:
    pixels = np.array([[0, 255]], np.uint8)
    data = Images(pixels, np.array([1]), largest=255, shape=(2,), mean=0.5, std=0.25)
    assert data[0][0]._array.tolist() == [-2.0, 2.0]


def test_a_shape_that_does_not_hold_the_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        Digits(shape=(1, 7, 7))


def test_no_folder_at_all_is_an_error_that_says_how_to_name_one() -> None:
    with pytest.raises(JobError, match=r"MNIST: .*--data DIR or set DTRAIN_DATA"):
        MNIST(None)


def test_a_missing_file_is_named_with_where_it_was_looked_for_and_its_origin(
    tmp_path: Path,
) -> None:
    with pytest.raises(JobError) as raised:
        FashionMNIST(tmp_path, train=False)
    text = str(raised.value)
    assert "t10k-images-idx3-ubyte.gz is missing" in text
    assert all(str(p) in text for p in (tmp_path, tmp_path / "fashion-mnist"))
    assert "zalandoresearch/fashion-mnist" in text


def test_a_damaged_file_is_named_with_its_origin(tmp_path: Path) -> None:
    path = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 1) + b"x"))
    with pytest.raises(JobError, match=f"{path} is not the published file.*fgnt/mnist"):
        MNIST(tmp_path)


def test_an_idx_file_is_read_in_c_order() -> None:
    data = b"\0\0\x08\x02" + struct.pack(">II", 2, 3) + bytes(range(6))
    assert idx.read(data).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\x0d\x01" + struct.pack(">I", 1) + b"x",
        b"\0\0\x08\x02" + struct.pack(">I", 1),
        b"\0\0\x08\x01" + struct.pack(">I", 2) + b"x",
    ],
    ids=["empty", "floats", "short header", "short data"],
)
def test_what_is_not_an_idx_file_of_bytes_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="idx file"):
        idx.read(data)


@pytest.mark.skipif(not os.environ.get("DTRAIN_DATA"), reason="DTRAIN_DATA names no data folder")
@pytest.mark.parametrize(
    ("kind", "accuracy", "first_train", "first_test", "mean", "std"),
    [
        (MNIST, 0.8203, "5041921314", "7210414959", 0.130660, 0.308108),
        (FashionMNIST, 0.6768, "9003027255", "9211614657", 0.286041, 0.353024),
    ],
)
def test_the_published_files_give_the_reference_figures(
    kind: type[MNIST],
    accuracy: float,
    first_train: str,
    first_test: str,
    mean: float,
    std: float,
) -> None:
    train, test = (kind(os.environ["DTRAIN_DATA"], part) for part in (True, False))
    assert "".join(map(str, train.labels[:10])) == first_train
    assert "".join(map(str, test.labels[:10])) == first_test
    found = nearest_mean_accuracy(train.pixels, train.labels, test.pixels, test.labels)
    assert round(found, 4) == accuracy
    scaled = train.pixels / 255.0
    assert (round(scaled.mean(), 6), round(scaled.std(), 6)) == (mean, std)
