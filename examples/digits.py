"""Handwritten digits: a small perceptron on the 1,797 real images that come with dtrain.

dtrain run examples/digits.py --workers 2
"""

import dtrain
from dtrain import nn, optim
from dtrain.data import datasets
from dtrain.nn import functional as F


class Digits(dtrain.Job):
    epochs: int = 40
    batch_size: int = 256
    micro_batches: int = 8
    hidden: int = 64
    lr: float = 0.01

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(64, self.hidden), nn.ReLU(), nn.Linear(self.hidden, 10))

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.AdamW(model.parameters(), lr=self.lr)

    def train_data(self) -> datasets.Digits:
        return datasets.Digits(train=True, mean=0.3052, std=0.3763)

    def eval_data(self) -> datasets.Digits:
        return datasets.Digits(train=False, mean=0.3052, std=0.3763)

    def loss(self, model: nn.Module, batch: list[dtrain.Tensor]) -> dtrain.Tensor:
        images, labels = batch
        logits = model(images)
        self.log("accuracy", (logits.argmax(1) == labels).float().mean())
        return F.cross_entropy(logits, labels)


if __name__ == "__main__":
    dtrain.main(Digits)
