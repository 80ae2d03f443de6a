"""Elements combined with others at places, where several meet too."""

import numpy as np

from tests.autograd.samples.draws import Sample, draw

TWICE = np.array([0, 2, 0])

SAMPLES = {
    "extreme_at": [
        Sample((draw(3, 2), draw(3, 2)), {"key": TWICE, "greatest": True}),
        Sample((draw(3, 2), draw(3, 2)), {"key": TWICE, "greatest": False}),
    ],
    "product_at": [Sample((draw(3, 2), draw(3, 2)), {"key": TWICE})],
}
