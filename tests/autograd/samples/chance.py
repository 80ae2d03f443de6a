"""Random numbers as an op."""

from tests.autograd.samples.draws import Sample, draw

SAMPLES = {
    "drawn": [
        Sample((draw(2, 3), draw(3)), {"draws": draw(2, 3)}),
        Sample((draw(2, 3), None), {"draws": draw(2, 3)}),
    ]
}
