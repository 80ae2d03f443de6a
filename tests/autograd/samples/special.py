"""The error function and its like, at the ends of the pieces they are made of."""

import numpy as np

from tests.autograd.samples.draws import Sample, draw

ENDS = np.array([-7.0, -5.9, -2.9, -1.3, -1.2, -0.9, 0.1, 0.5, 0.86, 1.4, 2.8, 2.9, 5.5])

SAMPLES = {
    "erf": [Sample((ENDS,))],
    "erfc": [Sample((ENDS,))],
    "polygamma": [Sample((draw(2, 3, low=0.6, high=3.0),), {"n": n}) for n in (1, 2, 3)],
}
