"""Comparisons and choice."""

import numpy as np

from tests.autograd.samples.draws import PAIRS, Sample, draw

SAMPLES = {
    **{name: [Sample((draw(3), draw(3)))] for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{
        name: [Sample((PAIRS > 0, np.array([True, False])))]
        for name in ("bitwise_and", "bitwise_or")
    },
    "bitwise_xor": [Sample((PAIRS, np.array([3, 1])))],
    "bitwise_left_shift": [Sample((PAIRS, np.array([3, 1])))],
    "bitwise_right_shift": [Sample((PAIRS, np.array([3, 1])))],
    "bitwise_not": [Sample((PAIRS > 0,))],
    "tie": [Sample((draw(2, 3), draw(2, 3)))],
    "anchor": [Sample((draw(2, 3),))],
    "where": [Sample((PAIRS > 0, draw(2, 2), draw(2))), Sample((PAIRS > 0, draw(2, 1), 0.5))],
}
