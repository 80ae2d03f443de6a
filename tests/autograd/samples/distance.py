"""Lengths."""

import math

from tests.autograd.samples.draws import Sample, draw

SAMPLES = {
    "lp_norm": [
        Sample((draw(2, 3),), {"p": p, "axis": 1})
        for p in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, math.inf, -math.inf)
    ]
    + [Sample((draw(2, 3),), {"axis": (0, 1)}), Sample((draw(2, 3),)), Sample((draw(),))],
}
