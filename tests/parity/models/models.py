"""Models and their data, written once for any library with PyTorch's names: `lib`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Batch = tuple[Any, Any]  # inputs and labels, arrays

SEED, BATCHES = 17, 2
VOCABULARY, LENGTH = 11, 12


class Case(NamedTuple):
    """What makes a model of a library, and the shape of one batch of its inputs."""

    make: Callable[[Any], Any]
    batch: Callable[[np.random.Generator], Batch]


def mlp(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 5)
    )


def cnn(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 2 * 2, 5),
    )


def lstm(lib: Any) -> Any:
    class Classifier(lib.nn.Module):
        """Two layers over a sequence; what the last step holds is classified."""

        def __init__(self) -> None:
            super().__init__()
            self.lstm = lib.nn.LSTM(6, 12, num_layers=2, batch_first=True)
            self.head = lib.nn.Linear(12, 5)

        def forward(self, x: Any) -> Any:
            out, _ = self.lstm(x)
            return self.head(out[:, -1])

    return Classifier()


def transformer(lib: Any) -> Any:
    class Characters(lib.nn.Module):
        """The next character from those before it: four layers, positions learned."""

        def __init__(self) -> None:
            super().__init__()
            nn = lib.nn
            self.token, self.position = nn.Embedding(VOCABULARY, 16), nn.Embedding(LENGTH, 16)
            for table in (self.token, self.position):  # normal draws are equal but for some ulp
                nn.init.uniform_(table.weight, -0.5, 0.5)
            layer = nn.TransformerEncoderLayer(
                16, 4, 32, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
            )
            self.encoder = nn.TransformerEncoder(
                layer, 4, norm=nn.LayerNorm(16), enable_nested_tensor=False
            )
            self.head = nn.Linear(16, VOCABULARY)

        def forward(self, tokens: Any) -> Any:
            x = self.token(tokens) + self.position(lib.arange(LENGTH))
            mask = lib.nn.Transformer.generate_square_subsequent_mask(LENGTH, dtype=x.dtype)
            return self.head(self.encoder(x, mask, is_causal=True)).transpose(1, 2)

    return Characters()


def _of_shape(*shape: int) -> Callable[[np.random.Generator], Batch]:
    return lambda rng: (rng.normal(size=shape), rng.integers(0, 5, shape[0]))


def _text(rng: np.random.Generator) -> Batch:
    """Sequences that a rule makes, with some noise: something to learn."""
    start, stride = rng.integers(0, VOCABULARY, (2, 6, 1))
    text = (start + stride * np.arange(LENGTH + 1)) % VOCABULARY
    text = np.where(rng.random(text.shape) < 0.1, rng.integers(0, VOCABULARY, text.shape), text)
    return text[:, :-1].copy(), text[:, 1:].copy()


CASES = {
    "mlp": Case(mlp, _of_shape(16, 20)),
    "cnn": Case(cnn, _of_shape(8, 2, 8, 8)),
    "lstm": Case(lstm, _of_shape(8, 7, 6)),
    "transformer": Case(transformer, _text),
}


def batches(case: Case, dtype: str) -> list[Batch]:
    """A few batches, the same for every library."""
    rng = np.random.default_rng(SEED)
    drawn = [case.batch(rng) for _ in range(BATCHES)]
    return [(x.astype(dtype) if x.dtype.kind == "f" else x, y) for x, y in drawn]
