"""Products."""

from tests.autograd.samples.draws import Sample, draw

SAMPLES = {
    "matmul": [
        Sample((draw(2, 3), draw(3, 2))),
        Sample((draw(3, 2), draw(3, 2)), {"ta": True}),
        Sample((draw(2, 3), draw(2, 3)), {"tb": True}),
        Sample((draw(3, 2), draw(2, 3)), {"ta": True, "tb": True}),
        Sample((draw(2, 1, 2, 3), draw(2, 3, 1))),
    ],
    "linear": [
        Sample((draw(2, 3), draw(4, 3), draw(4))),
        Sample((draw(2, 3), draw(9, 3), draw(9))),
        Sample((draw(2, 3), draw(9, 3))),
        Sample((draw(2, 2, 3), draw(1, 3), None)),
        Sample((draw(3), draw(2, 3), draw(2))),
    ],
}
