"""Constants around an array, and elements taken away."""

from tests.autograd.samples.draws import Sample, draw

SAMPLES = {
    "pad_constant": [
        Sample((draw(2, 3),), {"pads": ((1, 0), (0, 2))}),
        Sample((draw(2, 3),), {"pads": ((0, 0), (-1, 1)), "value": 2.0}),
        Sample((draw(2, 3),), {"pads": ((1, 1), (-2, -1))}),
    ],
}
