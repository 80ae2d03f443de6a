"""Two jobs whose model, optimizer, schedule and loss are written once, for either library: `lib`.

A subclass of `Twin` says what is trained in PyTorch's names; `dtrain.train` trains it by dtrain's,
`benchmarks/by_hand.py` by PyTorch's.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

import dtrain
from dtrain.data import Dataset, Subset, datasets

IGNORED = -100  # the class of a target that is padding
CODES = 128  # ASCII
TEXT = Path(__file__).parents[1] / "LICENSE"  # English that is always there


class Twin(dtrain.Job):
    """A job in float64 that either library can train."""

    dtype: str = "float64"
    clip_grad_norm: float | None = 1.0
    checkpoint_every: int | None = None

    def network(self, lib: Any) -> Any:
        """A new model."""
        raise NotImplementedError

    def rule(self, lib: Any, parameters: Any) -> Any:
        """A new optimizer."""
        raise NotImplementedError

    def rates(self, lib: Any, optimizer: Any) -> Any:
        """A new schedule of its rate, stepped after every step."""
        raise NotImplementedError

    def total(self, lib: Any, model: Any, batch: Any) -> tuple[Any, Any]:
        """The sum of the losses over a leaf, and its weight."""
        raise NotImplementedError

    def model(self) -> Any:
        return self.network(dtrain)

    def optimizer(self, model: Any) -> Any:
        return self.rule(dtrain, model.parameters())

    def lr_scheduler(self, optimizer: Any) -> Any:
        return self.rates(dtrain, optimizer)

    def loss(self, model: Any, batch: Any) -> Any:
        return self.total(dtrain, model, batch)


class Cnn(Twin):
    """Twice conv-bn-relu-pool, then a linear layer. SGD with momentum, a cosine to a tenth."""

    epochs: int = 8
    batch_size: int = 48
    micro_batches: int = 4
    images: str = "digits"  # or "fashion", from the data folder
    samples: int = 1437  # the first ones

    def train_data(self) -> Any:
        if self.images == "fashion":
            data: datasets.Images = datasets.FashionMNIST(
                self.data_dir, shape=(1, 28, 28), mean=0.286041, std=0.353024
            )
        else:
            data = datasets.Digits(shape=(1, 8, 8), mean=0.3052, std=0.3763)
        return Subset(data, range(self.samples))

    def network(self, lib: Any) -> Any:
        nn, side = lib.nn, 28 if self.images == "fashion" else 8
        return nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(16 * (side // 4) ** 2, 10)),
        )

    def rule(self, lib: Any, parameters: Any) -> Any:
        return lib.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-4)

    def rates(self, lib: Any, optimizer: Any) -> Any:
        schedules = lib.optim.lr_scheduler
        return schedules.CosineAnnealingLR(optimizer, T_max=self.total_steps, eta_min=0.005)

    def total(self, lib: Any, model: Any, batch: Any) -> tuple[Any, Any]:
        images, labels = batch
        loss = lib.nn.functional.cross_entropy(model(images), labels, reduction="sum")
        return loss, float(len(labels))


class Lines(Dataset[np.ndarray]):
    """Sample i is a line of a text that is not empty, as codes of its characters, newline and all.

    Lines are cut after `longest` characters.
    """

    def __init__(self, text: str, longest: int) -> None:
        lines = [f"\n{line.strip()}\n"[: longest + 1] for line in text.splitlines()]
        self.lines = [line for line in lines if len(line) > 2]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.frombuffer(self.lines[index].encode("ascii"), np.uint8).astype(np.int64)


class Characters(Twin):
    """A transformer that predicts each character of a line from those before it.

    The lines of a leaf are padded to the longest of them; what counts is the number of characters,
    which is another in every leaf. AdamW, a linear warm-up, then a cosine to a tenth.
    """

    epochs: int = 8
    batch_size: int = 32
    micro_batches: int = 4
    text: str = "licence"  # or "shakespeare", from the data folder
    samples: int | None = None  # the first ones; None: all
    longest: int = 64
    width: int = 64
    layers: int = 4
    heads: int = 4
    warm_up: int = 20

    def train_data(self) -> Any:
        where = (
            self.data_dir / "tinyshakespeare" / "input.txt" if self.text == "shakespeare" else TEXT
        )
        data = Lines(where.read_text("utf-8"), self.longest)
        return data if self.samples is None else Subset(data, range(self.samples))

    def collate(self, samples: list[np.ndarray]) -> Any:
        """[x, y]: int64 of shape (lines, longest); y is one character ahead, IGNORED in padding."""
        shape = len(samples), max(map(len, samples)) - 1
        x, y = np.zeros(shape, np.int64), np.full(shape, IGNORED)
        for row, codes in enumerate(samples):
            x[row, : len(codes) - 1], y[row, : len(codes) - 1] = codes[:-1], codes[1:]
        return [dtrain.from_numpy(x), dtrain.from_numpy(y)]

    def network(self, lib: Any) -> Any:
        return transformer(lib, self.width, self.layers, self.heads, self.longest)

    def rule(self, lib: Any, parameters: Any) -> Any:
        return lib.optim.AdamW(parameters, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.1)

    def rates(self, lib: Any, optimizer: Any) -> Any:
        return lib.optim.lr_scheduler.LambdaLR(optimizer, self._share)

    def total(self, lib: Any, model: Any, batch: Any) -> tuple[Any, Any]:
        x, y = batch
        loss = lib.nn.functional.cross_entropy(
            model(x).flatten(0, 1), y.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return loss, (y != IGNORED).sum()

    def _share(self, step: int) -> float:
        """The rate of a step, as a share of the largest."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.total_steps - self.warm_up)
        return 0.1 + 0.45 * (1 + math.cos(math.pi * done))


def transformer(lib: Any, width: int, layers: int, heads: int, longest: int) -> Any:
    """Codes (n, t) to scores of the next code (n, t, CODES); a place sees those before it alone."""

    class Transformer(lib.nn.Module):  # type: ignore[misc]  # either library's Module
        def __init__(self) -> None:
            super().__init__()
            nn = lib.nn
            self.code, self.place = nn.Embedding(CODES, width), nn.Embedding(longest, width)
            for table in (self.code, self.place):
                nn.init.normal_(table.weight, std=0.1)
            layer = nn.TransformerEncoderLayer(
                *(width, heads, 4 * width),
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            self.encoder = nn.TransformerEncoder(
                layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
            )
            self.head = nn.Linear(width, CODES)

        def forward(self, x: Any) -> Any:
            length = x.shape[1]
            mask = lib.nn.Transformer.generate_square_subsequent_mask(length, dtype=lib.float64)
            seen = self.code(x) + self.place(lib.arange(length))
            return self.head(self.encoder(seen, mask, is_causal=True))

    return Transformer()
