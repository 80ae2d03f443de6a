"""The diabetes study, for regression, from the files as scikit-learn ships them."""

import gzip
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dtrain.data.dataset import TensorDataset
from dtrain.data.datasets.published import Published, Root, Source, as_it_is, contents

TEST_EVERY = 5
"""Rows 0, 5, 10, ... are the test set."""

Floats = NDArray[np.float64]


class Diabetes(TensorDataset):
    """Ten measurements of a patient, and how far the disease was a year later: 442 patients.

    Sample i is (x, y), float32 of shapes (10,) and (1,), standardised by the training rows:

        x = (raw - mean) / std,  y = (target - target_mean) / target_std

    root:  the folder of diabetes_data_raw.csv.gz and diabetes_target.csv.gz, packed or not, or one
           above it: root and root/scikit-learn are looked in. A job passes `self.data_dir`.
    train: the 353 rows whose number is no multiple of 5; else the 89 rows whose number is one

    Raises:  JobError that says which file is missing or damaged, and where to get it.
    Source:  Efron, Hastie, Johnstone and Tibshirani, Least Angle Regression, Annals of Statistics
             32 (2004), section 1. Least squares on its training rows has R2 0.5144 there and 0.5190
             on the test rows; on all 442 rows 0.5177.
    """

    features: ClassVar[tuple[str, ...]] = (
        *("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
    )
    source: ClassVar[Source] = Source(
        name="Diabetes",
        origin="the folder sklearn/datasets/data of the scikit-learn package, 1.1 or newer",
        folders=("", "scikit-learn"),
        advice="; where that is installed, its folder itself will do",
    )
    files: ClassVar[tuple[Published, Published]] = (
        Published(
            "diabetes_data_raw.csv",
            "86badf50b4f9436ddd1e497dc0ae1b93166f8120221ee7dca4634fe849f3be7c",
        ),
        Published(
            "diabetes_target.csv",
            "244713a551f62a291a354212d8a048adec6cb1244b2bc44e66a0698f5006d26d",
        ),
    )

    target_mean: float
    target_std: float

    def __init__(self, root: Root, train: bool = True) -> None:
        raw, target = (table(contents(root, self.source, file, ENDINGS)) for file in self.files)
        is_test = np.arange(len(raw)) % TEST_EVERY == 0
        rows = ~is_test if train else is_test
        mean, std = _levels(raw[~is_test])
        target_mean, target_std = _levels(target[~is_test])
        self.target_mean, self.target_std = float(target_mean[0]), float(target_std[0])
        x, y = (raw[rows] - mean) / std, (target[rows] - target_mean) / target_std
        super().__init__(x.astype(np.float32), y.astype(np.float32))


def table(data: bytes) -> Floats:
    """The numbers of a text, a line a row, white space between them: (n, columns)."""
    return np.array([line.split() for line in data.decode("ascii").splitlines()], np.float64)


def _levels(values: Floats) -> tuple[Floats, Floats]:
    return values.mean(axis=0), values.std(axis=0)


ENDINGS = {".gz": gzip.decompress, "": as_it_is}
