"""Recurrent layers, as small as they can be: second gradients are checked element by element."""

from typing import Any

from tests.autograd.samples.draws import Sample, draw


def layer(gates: int, states: int, biases: int = 2, hidden: int = 1, **options: Any) -> Sample:
    """Two steps, a batch of one, one feature."""
    rows = gates * hidden
    return Sample(
        (
            draw(2, 1, 1),
            *(draw(1, hidden) for _ in range(states)),
            draw(rows, 1),
            draw(rows, hidden),
            *(draw(rows) for _ in range(biases)),
        ),
        options,
    )


SAMPLES = {
    "rnn_layer": [
        layer(1, 1, hidden=2),
        layer(1, 1, biases=0, reverse=True),
        layer(1, 1, nonlinearity="relu"),
    ],
    "lstm_layer": [layer(4, 2), layer(4, 2, biases=0, hidden=2, reverse=True)],
    "gru_layer": [layer(3, 1), layer(3, 1, biases=0, hidden=2, reverse=True)],
}
