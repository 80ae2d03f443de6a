"""Functions with jumps: limits, and tests for inf and nan."""

import numpy as np

from tests.autograd.samples.draws import Sample, draw

ODD = np.array([0.5, np.inf, -np.inf, np.nan, -0.0])

SAMPLES = {
    **{name: [Sample((ODD,))] for name in ("isfinite", "isinf", "isnan", "signbit")},
    "clamp": [
        Sample((draw(2, 3),), {"low": -0.7}),
        Sample((draw(2, 3),), {"high": 0.7}),
        Sample((draw(2, 3),), {"low": -0.5, "high": 0.5}),
    ],
    "nextafter": [Sample((draw(3), draw(2, 1)))],
    "gcd": [Sample((np.array([12, -18, 0]), np.array([[8], [0]])))],
    "lcm": [Sample((np.array([12, -18, 0]), np.array([[8], [3]])))],
    "mantissa": [Sample((np.array([0.3, -5.0, 64.5]), np.array([-1, 3, 7])))],
    "round": [Sample((draw(4),), {"decimals": 1})],
}
