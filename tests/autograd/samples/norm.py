"""Normalisation."""

from tests.autograd.samples.draws import Sample, draw

SAMPLES = {
    "standardize": [
        Sample((draw(2, 3), draw(3), draw(3)), {"rows": (2, 1, 3), "eps": 0.01}),
        Sample((draw(2, 2, 3), draw(2)), {"rows": (2, 2, 3), "eps": 0.01}),
        Sample((draw(2, 3), draw(3)), {"rows": (2, 1, 3), "eps": 0.01, "center": False}),
        Sample((draw(1, 4, 2), None, draw(4)), {"rows": (1, 2, 4), "eps": 0.01}),
    ],
    "batch_norm": [
        Sample((draw(4, 2), draw(2), draw(2)), {"eps": 0.01}),
        Sample((draw(2, 2, 1, 2), None, draw(2)), {"eps": 0.01}),
        Sample((draw(3, 1, 2),), {"eps": 0.01}),
    ],
    "window_sum": [
        Sample((draw(2, 4, 1),), {"before": 1, "after": 0}),
        Sample((draw(1, 3, 2),), {"before": 4, "after": 1}),
    ],
}
