"""Jobs with the models that people train, as small as they can be: what a leaf must be pure in.

`JOBS` has them all. `noise` is a job's dropout or other randomness: 0 switches it off, and then a
step is the same for any number of leaves, up to rounding, unless a batch norm couples the samples.
"""

from typing import Any, ClassVar

import numpy as np

from dtrain import nn, no_grad, optim, randn, tensor
from dtrain.autograd import Function, Tensor, grad
from dtrain.data import TensorDataset
from dtrain.job import Job
from dtrain.nn import functional as F

CLASSES, WORDS, IGNORED = 4, 13, -100


def labelled(*shape: int, samples: int = 32) -> TensorDataset:
    """Random float64 samples of a shape, and random classes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, *shape))
    return TensorDataset(x, rng.integers(0, CLASSES, samples))


class Small(Job):
    """Two steps of four leaves each. What the jobs below share."""

    epochs: int = 1
    batch_size: int = 16
    micro_batches: int = 4
    eval_batch_size: int = 8
    noise: float = 0.3
    shape: ClassVar[tuple[int, ...]] = (6,)  # of a sample

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)

    def train_data(self) -> Any:
        return labelled(*self.shape)

    def eval_data(self) -> Any:
        return labelled(*self.shape, samples=12)

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        logits = model(x)
        self.log("accuracy", (logits.argmax(1) == y).float().mean())
        return F.cross_entropy(logits, y)


class Convolutional(Small):
    """Convolutions, batch norm, max pooling, dropout of whole channels."""

    shape = (2, 9, 8)

    def model(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Dropout2d(self.noise),
            nn.Conv2d(6, 8, 3, stride=2, groups=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(self.noise),
            nn.Linear(8, CLASSES),
        )


class Sequences(nn.Module):
    """Two recurrent layers with dropout between them, and a classifier of the last state."""

    def __init__(self, layer: type[nn.Module], noise: float) -> None:
        super().__init__()
        self.layer = layer(5, 7, 2, batch_first=True, dropout=noise, bidirectional=True)
        self.head = nn.Linear(14, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layer(x)
        out: Tensor = self.head(states[:, -1])
        return out


class Recurrent(Small):
    """An LSTM or a GRU."""

    shape = (6, 5)
    kind: str = "LSTM"

    def model(self) -> nn.Module:
        return Sequences(getattr(nn, self.kind), self.noise)


class Block(nn.Module):
    """A layer of a decoder: causal attention, then a perceptron, each on top of a layer norm."""

    def __init__(self, width: int, heads: int, noise: float) -> None:
        super().__init__()
        self.heads, self.noise = heads, noise
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.body = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(noise)
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = self.qkv(self.norms[0](x)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(
            query, key, value, dropout_p=self.noise if self.training else 0.0, is_causal=True
        )
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
        out: Tensor = x + self.body(self.norms[1](x))
        return out


class Decoder(nn.Module):
    """Characters to scores of the next one; the embedding's table is the output's too."""

    def __init__(self, width: int, noise: float) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(WORDS, width), nn.Embedding(16, width)
        self.drop = nn.Dropout(noise)
        self.blocks = nn.Sequential(*(Block(width, 2, noise) for _ in range(2)))
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, WORDS, bias=False)
        self.scores.weight = self.table.weight
        self.register_buffer("order", tensor(np.arange(16)), persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.table(codes) + self.places(self.order[: codes.shape[1]])
        out: Tensor = self.scores(self.norm(self.blocks(self.drop(x))))
        return out


class Characters(Small):
    """A transformer of two layers; the loss is (sum, weight) over the characters that count."""

    noise: float = 0.1

    def model(self) -> nn.Module:
        return Decoder(16, self.noise)

    def train_data(self) -> Any:
        return self._text(32)

    def eval_data(self) -> Any:
        return self._text(12)

    def _text(self, samples: int) -> TensorDataset:
        rng = np.random.default_rng(1)
        codes = rng.integers(0, WORDS, (samples, 12))
        labels = np.where(rng.random(codes.shape) < 0.3, IGNORED, codes)
        return TensorDataset(codes[:, :-1], labels[:, 1:])

    def loss(self, model: nn.Module, batch: Any) -> Any:
        codes, labels = batch
        scores = model(codes)
        total = F.cross_entropy(
            scores.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return total, (labels != IGNORED).sum()


class Attending(Small):
    """PyTorch's own transformer layers, with a mask of padding."""

    shape = (6, 8)
    noise: float = 0.1

    def model(self) -> nn.Module:
        layer = nn.TransformerEncoderLayer(8, 2, 16, self.noise, "gelu", batch_first=True)
        encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        return nn.ModuleDict({"encoder": encoder, "head": nn.Linear(8, CLASSES)})

    def loss(self, model: Any, batch: Any) -> Any:
        x, y = batch
        hidden = tensor(np.arange(6) > 3).expand(len(x), 6)
        mean = model["encoder"](x, src_key_padding_mask=hidden)[:, :4].mean(1)
        return F.cross_entropy(model["head"](mean), y)


class Cumulative(Small):
    """Batch norm whose statistics are means over all batches so far; applied twice in a leaf."""

    epochs: int = 2

    def model(self) -> nn.Module:
        norm = nn.BatchNorm1d(6, momentum=None)
        return nn.Sequential(
            norm, nn.Linear(6, 6), norm, nn.Tanh(), nn.Dropout(self.noise), nn.Linear(6, CLASSES)
        )


class RootMean(nn.Module):
    """Channels last, and RMS norm over them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out


class Grouped(Small):
    """The norms of single samples, and everything else that makes images smaller or larger."""

    shape = (2, 8, 9)

    def model(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1, padding_mode="reflect"),
            nn.GroupNorm(3, 6),
            nn.SiLU(inplace=True),
            nn.AvgPool2d(2, ceil_mode=True),
            RootMean(6),
            nn.ConvTranspose2d(6, 4, 2, stride=2),
            nn.LocalResponseNorm(2),
            nn.Upsample(scale_factor=1.5, mode="bilinear"),
            nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16, CLASSES),
        )


class Clipped(Function):
    """The identity; its gradient is held within (-0.1, 0.1)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        [x] = ctx.saved_tensors
        return gradients[0].clamp(-0.1, 0.1) + 0.0 * x


class Shared(nn.Module):
    """One layer in two places, one weight in two layers, one that is frozen; views; changes in
    place; an autograd.Function."""

    def __init__(self) -> None:
        super().__init__()
        again = nn.Linear(6, 6)
        self.layers = nn.ModuleList([again, nn.Linear(6, 6), again])
        self.layers[1].weight = again.weight
        self.scale = nn.Parameter(tensor(np.full(6, 1.5, np.float32)), requires_grad=False)
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.relu(layer(x), inplace=True) * self.scale
            x[:, :2] += x[:, 2:4]
            x.view(-1, 2, 3)[:, 1].mul_(0.5)
        out: Tensor = self.head(Clipped.apply(x))
        return out


class Tied(Small):
    """Tied and frozen parameters."""

    def model(self) -> nn.Module:
        return Shared()


class Penalised(Small):
    """A gradient penalty (create_graph), a part without a graph, hooks on tensors and gradients."""

    def model(self) -> nn.Module:
        model = nn.Sequential(nn.Linear(6, 8), nn.Softplus(), nn.Linear(8, CLASSES))
        model[0].weight.register_hook(lambda g: g * 0.5)
        model[2].register_forward_hook(lambda module, args, out: out * 2)
        model[2].register_full_backward_hook(lambda module, ins, outs: (ins[0].clamp(-1, 1),))
        return model

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        x = x.clone().requires_grad_()
        with no_grad():
            target = model(x).softmax(1)
        scores = model(x)
        total = F.cross_entropy(scores, y, reduction="sum")
        if not model.training:
            return total, len(x)
        scores.register_hook(lambda g: g + 0.01 * g * g)
        [slope] = grad(total, x, create_graph=True)
        penalty = (slope.norm(dim=1) - 1).square().sum()
        return total + 0.1 * penalty + ((scores.softmax(1) - target) ** 2).sum(), len(x)


class Random(Small):
    """Everything that draws: rrelu, gumbel softmax, noise in the loss, all kinds of dropout."""

    def model(self) -> nn.Module:
        return nn.Sequential(
            nn.Linear(6, 8), nn.RReLU(), nn.AlphaDropout(self.noise), nn.Linear(8, CLASSES)
        )

    def loss(self, model: nn.Module, batch: Any) -> Any:
        x, y = batch
        scores = model(x + 0.1 * randn(x.shape))
        scores = F.dropout1d(scores[:, None].transpose(1, 2), self.noise, model.training)[:, :, 0]
        chosen = F.gumbel_softmax(scores, tau=0.5, hard=True)
        noise = float(self.rng.normal()) + float(np.random.normal())
        return F.cross_entropy(scores, y) + 0.1 * chosen[:, 0].mean() + noise * scores.mean()


class Bagged(Small):
    """Embeddings by bags, a padding row, and if wanted a mean over equal rows; bilinear, prelu."""

    by_count: bool = False

    def model(self) -> nn.Module:
        return nn.ModuleDict(
            {
                "bags": nn.EmbeddingBag(WORDS, 5, mode="mean"),
                "rows": nn.Embedding(WORDS, 5, padding_idx=0, scale_grad_by_freq=self.by_count),
                "mix": nn.Bilinear(5, 5, 6),
                "act": nn.PReLU(6),
                "head": nn.Linear(6, CLASSES),
            }
        )

    def train_data(self) -> Any:
        rng = np.random.default_rng(2)
        return TensorDataset(rng.integers(0, WORDS, (32, 6)), rng.integers(0, CLASSES, 32))

    def eval_data(self) -> Any:
        return None

    def loss(self, model: Any, batch: Any) -> Any:
        codes, y = batch
        mixed = model["mix"](model["bags"](codes), model["rows"](codes).cumsum(1).amax(1))
        return F.cross_entropy(model["head"](model["act"](mixed)), y, label_smoothing=0.1)


class Optimized(Small):
    """A perceptron under any optimizer, in two groups of other options."""

    chosen: str = "SGD"

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, CLASSES))

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        first, second = list(model.children())[::2]
        groups = [
            {"params": first.parameters(), "weight_decay": 0.1},
            {"params": second.parameters(), "lr": 0.02},
        ]
        made: optim.Optimizer = getattr(optim, self.chosen)(groups, lr=0.01)
        return made


OPTIMIZERS = [
    name for name in optim.__all__ if isinstance(getattr(optim, name), type) and name != "Optimizer"
]
JOBS: dict[str, tuple[type[Small], dict[str, Any]]] = {
    "convolutional": (Convolutional, {}),
    "lstm": (Recurrent, {}),
    "gru": (Recurrent, {"kind": "GRU"}),
    "characters": (Characters, {}),
    "attending": (Attending, {}),
    "cumulative": (Cumulative, {}),
    "grouped": (Grouped, {}),
    "tied": (Tied, {}),
    "penalised": (Penalised, {}),
    "random": (Random, {}),
    "bagged": (Bagged, {}),
    "counted": (Bagged, {"by_count": True}),
    **{name: (Optimized, {"chosen": name}) for name in OPTIMIZERS},
}
