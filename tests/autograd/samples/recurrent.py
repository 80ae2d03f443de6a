"""Recurrent layers, as small as they can be: second gradients are checked element by element."""

from typing import Any

from tests.autograd.samples.draws import Sample, draw


def layer(gates: int, states: int, biases: int = 2, hidden: int = 1, **options: Any) -> Sample:
    """Two steps of one sequence; with biases one step of two."""
    rows, steps, batch = gates * hidden, 1 if biases else 2, 2 if biases else 1
    return Sample(
        (
            draw(steps, batch, 1),
            *(draw(batch, hidden) for _ in range(states)),
            draw(rows, 1),
            draw(rows, hidden),
            *(draw(rows) for _ in range(biases)),
        ),
        options,
    )


SAMPLES = {
    "rnn_layer": [
        layer(1, 1),
        layer(1, 1, biases=0, hidden=2, reverse=True),
        layer(1, 1, biases=0, nonlinearity="relu"),
    ],
    "lstm_layer": [layer(4, 2), layer(4, 2, biases=0, hidden=2), layer(4, 2, 0, reverse=True)],
    "gru_layer": [layer(3, 1), layer(3, 1, biases=0, hidden=2), layer(3, 1, 0, reverse=True)],
}
