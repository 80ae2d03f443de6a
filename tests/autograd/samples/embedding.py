"""Rows of tables."""

import numpy as np

from tests.autograd.samples.draws import PAIRS, Sample, draw

MANY = np.arange(18) % 2

SAMPLES = {
    "embedding": [
        Sample((draw(3, 2),), {"indices": PAIRS}),
        Sample((draw(3, 1),), {"indices": np.array(1)}),
        Sample((draw(3, 2),), {"indices": MANY}),
    ],
    "add_rows": [
        Sample((draw(2, 2, 2),), {"indices": PAIRS, "rows": 3}),
        Sample((draw(18, 1),), {"indices": MANY, "rows": 2}),
    ],
}
