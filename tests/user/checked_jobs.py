"""Small jobs, each with one thing that `dtrain check` has something to say about."""

import os
import random
from typing import Any

import numpy as np

import dtrain
from dtrain import Tensor, nn, optim
from dtrain.data import TensorDataset
from dtrain.nn import functional as F

IGNORED = -100


class Plain(dtrain.Job):
    """A perceptron on random points, and what the other jobs change of it."""

    batch_size: int = 32
    micro_batches: int = 4
    eval_batch_size: int = 16
    features: int = 6
    times: float = 1.0

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(self.features, 8), nn.ReLU(), nn.Linear(8, 3))

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.AdamW(model.parameters(), lr=0.01)

    def train_data(self) -> Any:
        rng = np.random.default_rng(0)
        return TensorDataset(rng.normal(size=(100, self.features)), rng.integers(0, 3, 100))

    def eval_data(self) -> Any:
        return self.train_data()

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        logits = model(x)
        self.log("accuracy", (logits.argmax(1) == y).float().mean())
        return F.cross_entropy(logits, y)


class ConvNet(Plain):
    """A convolutional net with BatchNorm."""

    def model(self) -> nn.Module:
        features = nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.ReLU())
        return nn.Sequential(nn.Unflatten(1, (1, 2, 3)), features, nn.Flatten(), nn.Linear(6, 3))


class Tokens(Plain):
    """A transformer with dropout on sequences of unequal length; a sum, and its tokens."""

    dropout: float = 0.1

    def model(self) -> nn.Module:
        layer = nn.TransformerEncoderLayer(8, 2, 16, self.dropout, batch_first=True)
        return nn.Sequential(nn.Embedding(5, 8), layer, nn.Dropout(self.dropout), nn.Linear(8, 5))

    def train_data(self) -> Any:
        rng = np.random.default_rng(0)
        tokens = rng.integers(0, 5, (100, 7))
        targets = np.roll(tokens, -1, axis=1)
        targets[np.arange(7) >= rng.integers(1, 8, (100, 1))] = IGNORED
        return TensorDataset(tokens, targets)

    def summed(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        tokens, targets = batch
        logits = model(tokens).flatten(0, 1)
        total = F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="sum")
        return total, (targets != IGNORED).sum()

    def loss(self, model: nn.Module, batch: Any) -> Any:
        return self.summed(model, batch)


class MeanOfMeans(Tokens):
    """The usual mistake: a mean over tokens, weighed as if it were one over samples."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        total, tokens = self.summed(model, batch)
        return total / tokens


class MeanWithTokens(Tokens):
    """A mean where a sum belongs."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        total, tokens = self.summed(model, batch)
        return total / tokens, tokens


class EqualWeights(Plain):
    """Each leaf weighs the same, the short one too."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        return super().loss(model, batch), 1


class Divided(Plain):
    """Divided by the number of leaves, as one does by hand."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        return super().loss(model, batch) / self.micro_batches


class Penalty(Plain):
    """A penalty on the weights in each leaf, beside a sum."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        penalty = sum(((p * p).sum() for p in model.parameters()), start=dtrain.tensor(0.0))
        return F.cross_entropy(model(x), y, reduction="sum") + penalty.to(x.dtype), len(x)


class Contrastive(Plain):
    """Every sample is compared with the others of its leaf."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        z = model(batch[0])
        return F.cross_entropy(z @ z.T, dtrain.arange(len(z)))


class Noisy(Plain):
    """Draws from the leaf's own stream."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        noise = dtrain.tensor(self.rng.normal(size=tuple(x.shape))).to(x.dtype)
        return F.cross_entropy(model(x + noise), y)


class Dropping(nn.Module):
    """Dropout by its function."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, self.training)


class ByFunction(Plain):
    """Dropout in a module of the user's own."""

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(self.features, 8), Dropping(), nn.Linear(8, 3))


class Augmented(Plain):
    """Draws in each sample, by the sample's own stream."""

    def train_data(self) -> Any:
        return Shaken(super().train_data())


class Shaken:
    """Points with noise."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        x, y = self.data[index]
        return x + dtrain.rng().normal(size=tuple(x.shape)), y


class FixedLeaf(Plain):
    """A model for leaves of 8 samples, and no others."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        return F.cross_entropy(model(x.reshape(8, self.features)), y)


class Single(Plain):
    """Computes in float32 whatever its dtype is."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        return F.cross_entropy(model(x).float(), y)


class SingleOnly(Plain):
    """Cannot compute in float64."""

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        return F.cross_entropy(model(x.float()), y)


class Centred(nn.Module):
    """Subtracts the mean over the samples, in training and in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Centring(Plain):
    """A module of the user's own couples samples."""

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(self.features, 8), Centred(), nn.Linear(8, 3))


class OfProcess(Plain):
    """The weights depend on the process."""

    def model(self) -> nn.Module:
        model = super().model()
        scale = random.Random(os.getpid()).random()
        with dtrain.no_grad():
            model[2].weight.mul_(scale)  # type: ignore[operator, index]  # a Sequential
        return model


class OfOrder(Plain):
    """What a leaf gives depends on the leaves before it."""

    _seen: float | None = None

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        if self._seen is None:
            self._seen = float(x.mean())
        return F.cross_entropy(model(x) * self._seen, y)


class Watching(Plain):
    """Watches what the evaluation does not have."""

    monitor: str = "max f1"


class Patient(Plain):
    """Waits for evaluations that there are not."""

    patience: int | None = 3

    def eval_data(self) -> Any:
        return None


class Plateaus(Plain):
    """Lowers its rate by evaluations that there are not."""

    def eval_data(self) -> Any:
        return None

    def lr_scheduler(self, optimizer: optim.Optimizer) -> Any:
        return optim.lr_scheduler.ReduceLROnPlateau(optimizer)
