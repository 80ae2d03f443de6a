"""Reduced sizes of what people train: a CNN with BatchNorm, a transformer with dropout.

Both with clipping, a schedule, an average, an early stop that never comes, and evaluations.
"""

from typing import Any

import numpy as np

import dtrain
from dtrain import nn, optim
from dtrain.data import TensorDataset
from dtrain.nn import functional as F
from dtrain.optim import lr_scheduler

TEXT = "the sum of a step has one shape, whoever adds it up; so the bits are the same. " * 6
LETTERS = sorted(set(TEXT))


class Common(dtrain.Job):
    epochs: int = 4
    batch_size: int = 12
    micro_batches: int = 4
    clip_grad_norm: float | None = 0.7
    ema: float | None = 0.9
    patience: int | None = 50
    checkpoint_every: int | None = 3

    def eval_data(self) -> Any:
        return self.train_data()

    def lr_scheduler(self, optimizer: optim.Optimizer) -> Any:
        return lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=self.total_steps)


class Cnn(Common):
    """conv - bn - relu - pool, and a momentum of None, which is a cumulative mean."""

    def model(self) -> nn.Module:
        return nn.Sequential(
            *(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8, momentum=None), nn.ReLU(), nn.Flatten()),
            nn.Linear(8 * 4, 5),
        )

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-3)

    def train_data(self) -> Any:
        rng = np.random.default_rng(5)
        return TensorDataset(rng.normal(size=(70, 1, 8, 8)), rng.integers(0, 5, 70))

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        logits = model(x)
        self.log("accuracy", (logits.argmax(1) == y).float().mean())
        return F.cross_entropy(logits, y)


class Exploding(Cnn):
    """Has an infinite gradient in step 2, in the leaf of sample 31: leaf 2 of 4."""

    def order(self, n: int, epoch: int) -> Any:
        return np.arange(n)

    def loss(self, model: nn.Module, batch: Any) -> Any:
        loss = super().loss(model, batch)
        marked = float(self.train_data()[31][0][0, 0, 0])
        is_it = self.step == 2 and (batch[0][:, 0, 0, 0].numpy() == np.float32(marked)).any()
        return loss * (np.inf if is_it else 1.0)


class Windows:
    """Beginnings of the text, each of its own length: -1 where there is nothing to predict."""

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        codes = np.array([LETTERS.index(c) for c in TEXT[index : index + 17]])
        y = codes[1:].copy()
        y[4 + index % 13 :] = -1
        return codes[:-1], y


class Transformer(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(len(LETTERS), 16), nn.Embedding(16, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, len(LETTERS), bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: Any) -> Any:
        n = x.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(n)
        return self.head(self.layers(self.embed(x) + self.place(dtrain.arange(n)), mask=mask))


class Chars(Common):
    """A token-weighted loss, tied weights."""

    def model(self) -> nn.Module:
        return Transformer(dropout=0.1)

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        matrices = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others}]
        return optim.AdamW(groups, lr=0.02, weight_decay=0.0)

    def train_data(self) -> Any:
        return Windows()

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        logits = model(x).flatten(0, 1)
        total = F.cross_entropy(logits, y.flatten(), ignore_index=-1, reduction="sum")
        return total, (y != -1).sum()
