"""Products, and running sums, products and extremes."""

import numpy as np

from tests.autograd.samples.draws import Sample, draw

ZEROS = np.array([[1.5, 0.0, 2.0], [0.0, 0.0, 3.0]])

SAMPLES = {
    "flip": [Sample((draw(2, 3),), {"axes": (0, 1)})],
    "cumsum": [Sample((draw(2, 3),), {"axis": 0}), Sample((draw(2, 3),), {"axis": -1})],
    "cumprod": [Sample((draw(2, 3),), {"axis": 0}), Sample((draw(4),), {"axis": -1})],
    "prod": [
        Sample((draw(2, 3),)),
        Sample((draw(2, 3),), {"axis": 1}),
        Sample((draw(2, 3),), {"axis": 0, "keepdims": True}),
    ],
    "logcumsumexp": [Sample((draw(2, 3),), {"axis": 1})],
}
