"""Digits in files, some of them lost: a Dataset, a collate, a function and hooks of one's own.

dtrain run examples/digits_custom.py --workers 2
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import dtrain
from dtrain import autograd, nn, optim
from dtrain.data import Dataset, datasets, default_collate
from dtrain.nn import functional as F

LOST_EVERY = 7  # of each seven files one is lost
INDEX = "index.txt"

Sample = tuple[dtrain.Tensor, int]


class Scans(Dataset[Sample | None]):
    """A folder with an image in each file, and an index of what should be there: NUMBER-LABEL.npy.

    Sample i is (image, label), or None if its file is lost: samples keep their numbers, and
    `collate` leaves out what is None.
    """

    def __init__(self, folder: Path) -> None:
        self.files = [folder / name for name in (folder / INDEX).read_text("utf-8").split()]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample | None:
        file = self.files[index]
        try:
            image = np.load(file)
        except FileNotFoundError:
            return None
        return dtrain.from_numpy(image), int(file.stem.partition("-")[2])


def scans(folder: Path, train: bool) -> Scans:
    """The training or the test part below a folder, written there if it is not there yet.

    It appears all at once, under a name of its own until then: workers that start together may
    all write it, and none reads half a one.
    """
    place = folder / ("train" if train else "test")
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        written = Path(tempfile.mkdtemp(dir=folder))
        write(written, datasets.Digits(train=train, mean=0.3052, std=0.3763))
        try:
            written.rename(place)
        except OSError:  # another process was first
            shutil.rmtree(written)
    return Scans(place)


def write(folder: Path, digits: datasets.Digits) -> None:
    """A file for each digit but every seventh, and the index of them all."""
    names = [f"{i:04}-{label}.npy" for i, label in enumerate(digits.labels.tolist())]
    for i, name in enumerate(names):
        if i % LOST_EVERY:
            np.save(folder / name, digits[i][0].numpy())
    (folder / INDEX).write_text("\n".join(names), "utf-8")


class Sign(autograd.Function):
    """1 where x >= 0, else -1. Its true derivative is 0; backward lets gradients straight through:

        dx = dy where |x| <= 1, else 0

    Source: Hubara et al., Binarized Neural Networks (2016), eq. 4.
    """

    @staticmethod
    def forward(ctx: Any, x: dtrain.Tensor) -> dtrain.Tensor:
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype) * 2 - 1

    @staticmethod
    def backward(ctx: Any, dy: dtrain.Tensor) -> dtrain.Tensor:
        (x,) = ctx.saved_tensors
        return dy * (x.abs() <= 1).to(dy.dtype)


class Binary(nn.Module):
    """A perceptron whose hidden units say yes or no, 1 or -1."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, hidden), nn.Linear(hidden, 10)


class DigitsCustom(dtrain.Job):
    epochs: int = 20
    batch_size: int = 256
    micro_batches: int = 8
    hidden: int = 128
    lr: float = 0.003
    clip: float = 0.1
    folder: str = "build/digits_custom"  # where the files are, or are written to

    def model(self) -> nn.Module:
        return Binary(self.hidden)

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.AdamW(model.parameters(), lr=self.lr)

    def train_data(self) -> Scans:
        return scans(Path(self.folder), train=True)

    def eval_data(self) -> Scans:
        return scans(Path(self.folder), train=False)

    def collate(self, samples: Sequence[Sample | None]) -> Any:
        """A batch of what is there: it weighs what it has. Of nothing None, which weighs 0."""
        there = [sample for sample in samples if sample is not None]
        return default_collate(there) if there else None

    def loss(self, model: nn.Module, batch: list[dtrain.Tensor]) -> dtrain.Tensor:
        images, labels = batch
        before = model.first(images)
        if model.training:
            self.hook(model, before)
        logits = model.second(Sign.apply(before))
        self.log("accuracy", (logits.argmax(1) == labels).float().mean())
        return F.cross_entropy(logits, labels)

    def hook(self, model: nn.Module, before: dtrain.Tensor) -> None:
        """Change gradients on their way. Hooks that a leaf registers end with the leaf."""

        def clipped(gradient: dtrain.Tensor) -> dtrain.Tensor:
            """Each sample's gradient is its own here: leaves sum, the mean is taken at the root."""
            self.log("passed", (gradient != 0).float().mean())
            return gradient.clamp(-self.clip, self.clip)

        def centred(gradient: dtrain.Tensor) -> dtrain.Tensor:
            """Source: Yong et al., Gradient Centralization (2020), eq. 1."""
            return gradient - gradient.mean(1, keepdim=True)

        before.register_hook(clipped)
        model.first.weight.register_hook(centred)


if __name__ == "__main__":
    dtrain.main(DigitsCustom)
