"""Sums, means, extremes."""

from tests.autograd.samples.draws import Sample, draw

SAMPLES = {
    "sum": [
        Sample((draw(2, 3),)),
        Sample((draw(2, 3, 2),), {"axis": (0, -1)}),
        Sample((draw(2, 3),), {"axis": 1, "keepdims": True}),
        Sample((draw(),)),
    ],
    "mean": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0}), Sample((draw(),))],
    "amax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": -1, "keepdims": True})],
    "amin": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0})],
    "median": [Sample((draw(2, 3),)), Sample((draw(4),)), Sample((draw(),))],
    "nanmedian": [Sample((draw(2, 3),)), Sample((draw(),))],
    "argmax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 1})],
    "argmin": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 1})],
    "sum_to": [Sample((draw(2, 3, 2),), {"shape": (3, 1)}), Sample((draw(2),), {"shape": ()})],
    "expand": [Sample((draw(3, 1),), {"shape": (2, 3, 2)})],
}
