"""The 1,797 handwritten digits that come with dtrain."""

import gzip
from pathlib import Path

import numpy as np

from dtrain.data.datasets.images import Images

TEST_EVERY = 5
"""Rows 0, 5, 10, ... are the test set."""


class Digits(Images):
    """Real handwritten digits, 8 x 8 grey, 10 classes: 1,437 to train on and 360 to test on.

    train: rows whose number is not a multiple of 5; else the 360 rows (20.03 %) whose number is.
           The rows are in the order of the source, in which a writer's digits are neighbours, so
           both parts have digits by the same people: a test of reading, not of new handwriting.
    shape: of one image; pixels are scaled from 0..16 to [0, 1]
    mean, std: of the training pixels in [0, 1], to normalise by: 0.3052 and 0.3763

    Source:  E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
             Learning Repository, 1998 (its test part, CC BY 4.0), as scikit-learn ships it; see
             files/digits.LICENSE.txt beside this file.
    """

    def __init__(
        self,
        train: bool = True,
        *,
        shape: tuple[int, ...] = (64,),
        mean: float = 0.0,
        std: float = 1.0,
    ) -> None:
        file = Path(__file__).parent / "files" / "digits.csv.gz"
        text = gzip.decompress(file.read_bytes()).decode()
        table = np.array([line.split(",") for line in text.split()]).astype(np.float32)
        is_test = np.arange(len(table)) % TEST_EVERY == 0
        table = table[~is_test if train else is_test]
        pixels, labels = table[:, :64].astype(np.uint8), table[:, 64]
        super().__init__(pixels, labels, largest=16, shape=shape, mean=mean, std=std)
