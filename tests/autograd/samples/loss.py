"""Softmax and losses of labels."""

import numpy as np

from tests.autograd.samples.draws import Sample, draw

LABELS = np.array([2, 0, 1, 2])
IGNORING = np.array([2, -100, 1, -100])

SAMPLES = {
    "softmax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0})],
    "log_softmax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0})],
    **{
        name: [
            Sample((draw(4, 3), labels), {"reduction": reduction})
            for labels in (LABELS, IGNORING)
            for reduction in ("none", "sum", "mean")
        ]
        for name in ("cross_entropy", "nll")
    },
}
