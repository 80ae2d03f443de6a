"""Sums over parts, neighbours by weight, and inputs that nobody takes."""

import numpy as np

from dtrain.autograd.ops.resample import gather, spans
from tests.autograd.samples.draws import Sample, draw

PARTS = spans(np.array([0, 1, 3]), np.array([2, 4, 5]), 5)
PADDED = spans(np.array([-1, 1, 3]), np.array([1, 3, 5]), 4)
REPEATED = gather(np.array([[2, 2, 0]]), 4)
SHARED = gather(np.array([[0, 0, 1], [1, 1, 2]]), 3, np.array([[0.5, 0.25, 1.0], [0.5, 0.75, 0]]))

SAMPLES = {
    "resample": [
        Sample((draw(2, 5),), {"axis": 1, "table": PARTS}),
        Sample((draw(2, 4, 2),), {"axis": 1, "table": PADDED}),
        Sample((draw(4, 2),), {"axis": 0, "table": REPEATED}),
        Sample((draw(2, 3),), {"axis": 1, "table": SHARED}),
    ],
}
