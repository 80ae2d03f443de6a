"""Scaled dot-product attention."""

import numpy as np

from tests.autograd.samples.draws import Sample, draw

SEEN = np.array([[True, False, True], [False, False, False]])  # the second query sees no key
NOISE = np.array([[0.0, 2.0, 2.0], [2.0, 0.0, 2.0]])

SAMPLES = {
    "scaled_dot_product_attention": [
        Sample((draw(2, 3), draw(3, 3), draw(3, 2), None, None), {"scale": 0.5}),
        Sample((draw(2, 2, 3), draw(2, 3, 3), draw(2, 3, 2), draw(2, 3), None)),
        Sample((draw(2, 1, 2, 3), draw(1, 3, 3), draw(2, 2, 3, 1), SEEN, NOISE)),
        Sample((draw(3, 2), draw(2, 2), draw(2, 2), None, None), {"is_causal": True}),
        Sample((draw(2, 2), draw(3, 2), draw(3, 2), draw(2, 1), None), {"is_causal": True}),
    ],
    "self_attention": [
        Sample((draw(3, 2, 12), None, None), {"num_heads": 2, "scale": 0.5}),
        Sample((draw(2, 1, 6), draw(2, 2), NOISE[:, :2]), {"num_heads": 1}),
        Sample((draw(3, 1, 6), None, None), {"num_heads": 2, "is_causal": True}),
        Sample((draw(2, 2, 6), SEEN[:, :2], None), {"num_heads": 2}),
    ],
}
