"""Losses of one number against another."""

from tests.autograd.samples.draws import Sample, draw

SAMPLES = {
    "huber": [Sample((draw(2, 3), draw(3)), {"delta": 0.7, "scale": 2.0})],
    "binary_entropy": [Sample((draw(2, 3, low=0.1, high=0.9), draw(2, 3, low=0.1, high=0.9)))],
    "binary_entropy_of_logits": [Sample((draw(2, 3), draw(2, 3)))],
    "divergence": [
        Sample((draw(2, 3), draw(3, low=0.1, high=2.0))),
        Sample((draw(2, 3), draw(2, 3)), {"log_target": True}),
    ],
}
