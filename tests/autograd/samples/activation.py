"""Activations, away from their kinks."""

import numpy as np

from tests.autograd.samples.draws import Sample, draw

X = np.array([[-25.0, -3.5, -2.0, -0.7, -0.2], [0.1, 0.6, 1.7, 3.5, 25.0]])

SAMPLES = {
    "keep": [Sample((draw(2, 3), np.array([[True, False, True], [False, False, True]])))],
    "leaky_relu": [Sample((X,), {"slope": 0.3})],
    "prelu": [Sample((X, draw())), Sample((X, draw(2, 1))), Sample((draw(2, 3), draw(2, 3)))],
    "hardtanh": [Sample((X,), {"low": -2.5, "high": 0.3})],
    "threshold": [Sample((X,), {"low": 0.5, "value": 7.0})],
    "softshrink": [Sample((X,), {"width": 1.0})],
    "hardshrink": [Sample((X,), {"width": 1.0})],
    "hardsigmoid": [Sample((X,))],
    "hardswish": [Sample((X,))],
    "elu": [Sample((X,), {"alpha": 1.5, "scale": 2.0, "inner": 0.5})],
    "softplus": [Sample((X,)), Sample((X,), {"beta": 2.0, "limit": 3.0})],
    "logsigmoid": [Sample((X,))],
    "gelu": [
        Sample((draw(2, 3),), {"approximate": approximate}) for approximate in ("none", "tanh")
    ],
    "silu": [Sample((X,)), Sample((draw(),))],
    "mish": [Sample((draw(2, 3),)), Sample((draw(),))],
    "glu": [Sample((draw(2, 6),)), Sample((draw(2, 4, 3),), {"axis": 1})],
}
