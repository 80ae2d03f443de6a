"""Moving, picking, casting."""

import numpy as np

from tests.autograd.samples.draws import PAIRS, Sample, draw

SAMPLES = {
    "reshape": [Sample((draw(2, 3),), {"shape": (3, 2)}), Sample((draw(4),), {"shape": (2, -1)})],
    "permute": [Sample((draw(2, 3, 1),), {"axes": (2, 0, 1)})],
    "cast": [Sample((draw(3),), {"dtype": np.float64})],
    "alias": [Sample((draw(3),))],
    "clone": [Sample((draw(2, 3).T,))],
    "index": [
        Sample((draw(4, 3),), {"key": (slice(1, 3), None, 0)}),
        Sample((draw(4, 3),), {"key": np.array([0, 3, 0])}),
        Sample((draw(2, 2),), {"key": PAIRS == 1}),
        Sample((draw(4, 3),), {"key": ...}),
    ],
    "scatter": [
        Sample((draw(2, 3),), {"shape": (4, 3), "key": slice(1, 3)}),
        Sample((draw(3, 2),), {"shape": (4, 2), "key": np.array([0, 3, 0])}),
    ],
    "replace": [
        Sample((draw(4, 3), draw(2, 3)), {"key": np.array([0, 3])}),
        Sample((draw(4), draw(2)), {"key": np.array([True, False, False, True])}),
    ],
    "overwrite": [Sample((draw(2, 3), draw(2, 3)))],
    "slide": [Sample((draw(2, 5),), {"axis": 1, "size": 3, "step": 2})],
    "unslide": [Sample((draw(2, 2, 3),), {"shape": (2, 5), "axis": 1, "size": 3, "step": 2})],
    "strided": [Sample((draw(2, 5),), {"size": (3, 2), "stride": (2, 3), "offset": 1})],
    "unstride": [
        Sample((draw(3, 2),), {"shape": (2, 5), "stride": (2, 3), "offset": 1}),
        Sample((draw(3, 3),), {"shape": (5,), "stride": (1, 1), "offset": 0}),
    ],
    "diagonal": [Sample((draw(2, 3, 2),), {"offset": 1, "first": 0, "second": 1})],
    "embed_diagonal": [
        Sample((draw(2, 2),), {"shape": (3, 2, 3), "offset": 1, "first": 0, "second": 2})
    ],
    "take_along": [Sample((draw(2, 3),), {"indices": PAIRS, "axis": 1})],
    "put_along": [Sample((draw(2, 2),), {"indices": PAIRS, "size": 3, "axis": 1})],
    "cat": [
        Sample((draw(2, 2), draw(2, 1))[::1], {"dim": 1}),
        Sample((draw(1, 2), draw(3, 2), draw(0, 2)), {"dim": -2}),
    ],
}
