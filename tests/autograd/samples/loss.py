"""Softmax and losses of labels."""

import numpy as np

from tests.autograd.samples.draws import Sample, draw

LABELS = np.array([2, 0, 1, 2])
IGNORING = np.array([2, -100, 1, -100])
WEIGHT = np.array([0.5, 1.0, 2.0])
REDUCTIONS = ("none", "sum", "mean")

SAMPLES = {
    "softmax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0}), Sample((draw(),))],
    "log_softmax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0}), Sample((draw(),))],
    "cross_entropy": [
        Sample((draw(4, 3), labels, *weight), {"reduction": reduction, "smoothing": smoothing})
        for labels in (LABELS, IGNORING)
        for reduction in REDUCTIONS
        for weight in ((), (WEIGHT.astype("f"),))
        for smoothing in (0.0, 0.25)
    ],
    "nll": [
        Sample((draw(4, 3), labels, *weight), {"reduction": reduction})
        for labels in (LABELS, IGNORING)
        for reduction in REDUCTIONS
        for weight in ((), (WEIGHT.astype("f"),))
    ],
}
