"""Windows that overlap, that leave gaps, and that reach into the padding."""

import numpy as np

from dtrain.autograd.ops.resample import spans
from tests.autograd.samples.draws import Sample, draw

PAIRS = spans(np.arange(2) * 2, np.arange(2) * 2 + 2, 4)
WIDE = spans(np.arange(3) * 2 - 1, np.arange(3) * 2 + 2, 5)
SPREAD = spans(np.arange(2) - 1, np.arange(2) + 4, 4, 2)
PARTS = spans(np.array([0, 1, 3]), np.array([2, 4, 5]), 5)

TABLES = [
    Sample((draw(2, 4, 4),), {"tables": (PAIRS, PAIRS)}),
    Sample((draw(5, 5),), {"tables": (WIDE, PARTS)}),
    Sample((draw(2, 4),), {"tables": (SPREAD,)}),
    Sample((draw(1, 4, 5, 4),), {"tables": (PAIRS, WIDE, SPREAD)}),
]

SAMPLES = {"max_pool": TABLES, "max_pool_indices": TABLES}
