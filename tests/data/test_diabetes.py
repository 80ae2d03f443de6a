import gzip
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dtrain.data import fetch
from dtrain.data.datasets import Diabetes
from dtrain.data.datasets.published import Published
from dtrain.errors import JobError

ROWS = 11  # of which 0, 5 and 10 are the test set


def texts() -> tuple[bytes, bytes]:
    """Rows like the published ones: other numbers, of other sizes."""
    rng = np.random.default_rng(0)
    raw = rng.normal(50, 20, (ROWS, 10)).round(2)
    target = rng.integers(25, 346, ROWS)
    lines = ["\t".join(map(str, row)) for row in raw.tolist()]
    return "\n".join(lines).encode(), "\n".join(f"{t:.18e}" for t in target).encode()


def kind(raw: bytes, target: bytes) -> type[Diabetes]:
    """The data set with these files as the published ones."""
    names = [file.name for file in Diabetes.files]
    hashes = [hashlib.sha256(data).hexdigest() for data in (raw, target)]
    return type("Small", (Diabetes,), {"files": tuple(map(Published, names, hashes))})


PACKED = {".gz": gzip.compress, "": lambda data: data}


@pytest.fixture(params=PACKED)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "scikit-learn"
    folder.mkdir()
    for file, data in zip(Diabetes.files, texts(), strict=True):
        (folder / f"{file.name}{request.param}").write_bytes(PACKED[request.param](data))
    return tmp_path


def test_each_fifth_row_is_for_the_test_and_the_others_to_train_on(root: Path) -> None:
    parts = [kind(*texts())(root, train) for train in (True, False)]
    assert [len(part) for part in parts] == [8, 3]
    targets = [part.tensors[1]._array[:, 0] * part.target_std + part.target_mean for part in parts]
    every = np.array(texts()[1].split(), float)
    assert np.allclose(targets[1], every[::5])
    assert np.allclose(targets[0], np.delete(every, [0, 5, 10]))


def test_the_training_rows_are_standardised(root: Path) -> None:
    for column in (tensor._array for tensor in kind(*texts())(root).tensors):
        assert np.allclose(column.mean(axis=0), 0, atol=1e-6)
        assert np.allclose(column.std(axis=0), 1, atol=1e-6)


def test_the_test_rows_are_scaled_as_the_training_rows_are(root: Path) -> None:
    train, test = (kind(*texts())(root, part) for part in (True, False))
    raw = np.array([line.split() for line in texts()[0].splitlines()], float)
    kept = np.delete(raw, [0, 5, 10], axis=0)
    expected = (raw[::5] - kept.mean(axis=0)) / kept.std(axis=0)
    assert np.allclose(test.tensors[0]._array, expected, atol=1e-5)
    assert (train.target_mean, train.target_std) == (test.target_mean, test.target_std)


def test_a_sample_is_ten_numbers_and_one(root: Path) -> None:
    data = kind(*texts())(root)
    x, y = data[0]
    assert (x.shape, y.shape, str(x.dtype)) == ((10,), (1,), str(y.dtype))
    assert len(data.features) == 10


def test_rows_taken_at_once_equal_rows_one_by_one(root: Path) -> None:
    data = kind(*texts())(root)
    x, y = fetch(data, [4, 1])
    assert x._array[1].tobytes() == data[1][0]._array.tobytes()
    assert y._array[0].tobytes() == data[4][1]._array.tobytes()


def test_a_missing_file_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(JobError) as raised:
        Diabetes(tmp_path)
    text = str(raised.value)
    for part in ("diabetes_data_raw.csv.gz is missing", str(tmp_path), "scikit-learn package"):
        assert part in text


def test_a_damaged_file_is_named(root: Path) -> None:
    with pytest.raises(JobError, match=r"diabetes_data_raw\.csv.* is not the published file"):
        Diabetes(root)


@pytest.mark.skipif(not os.environ.get("DTRAIN_DATA"), reason="DTRAIN_DATA names no data folder")
def test_least_squares_on_the_published_files_gives_the_reference_figures() -> None:
    root: Any = os.environ["DTRAIN_DATA"]
    train, test = ([t._array for t in Diabetes(root, part).tensors] for part in (True, False))
    assert (len(train[0]), len(test[0])) == (353, 89)
    every = [np.concatenate(pair) for pair in zip(train, test, strict=True)]
    assert least_squares_r2(every, every) == pytest.approx(0.517748, abs=1e-5)
    assert least_squares_r2(train, train) == pytest.approx(0.5144, abs=1e-4)
    assert least_squares_r2(train, test) == pytest.approx(0.5190, abs=1e-4)


def least_squares_r2(fitted: list[Any], asked: list[Any]) -> float:
    """R2 of a linear model, fitted on the one part and asked about the other."""
    x, y, x_asked, y_asked = (each.astype(float) for each in (*fitted, *asked))
    ones, ones_asked = np.ones((len(x), 1)), np.ones((len(x_asked), 1))
    weights = np.linalg.lstsq(np.hstack([x, ones]), y, rcond=None)[0]
    missed = y_asked - np.hstack([x_asked, ones_asked]) @ weights
    return 1 - float(missed.var() + missed.mean() ** 2) / float(y_asked.var())
