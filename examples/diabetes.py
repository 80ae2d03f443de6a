"""Diabetes: regression on 442 patients, and R2, which is no mean of means.

dtrain run examples/diabetes.py --workers 2 --data DIR
"""

from collections.abc import Mapping

import dtrain
from dtrain import nn, optim
from dtrain.data import datasets
from dtrain.nn import functional as F


class Diabetes(dtrain.Job):
    epochs: int = 40
    batch_size: int = 64
    micro_batches: int = 4
    eval_batch_size: int = 32
    hidden: int = 32
    lr: float = 0.001
    weight_decay: float = 0.1

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(10, self.hidden), nn.Tanh(), nn.Linear(self.hidden, 1))

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.AdamW(model.parameters(), lr=self.lr, weight_decay=self.weight_decay)

    def train_data(self) -> datasets.Diabetes:
        return datasets.Diabetes(self.data_dir, train=True)

    def eval_data(self) -> datasets.Diabetes:
        return datasets.Diabetes(self.data_dir, train=False)

    def loss(self, model: nn.Module, batch: list[dtrain.Tensor]) -> dtrain.Tensor:
        x, y = batch
        if not model.training:
            self.log("y", y.mean())
            self.log("y_squared", y.square().mean())
        return F.mse_loss(model(x), y)

    def summary(self, means: Mapping[str, float]) -> dict[str, float]:
        """R2 = 1 - mean squared error / variance, of the whole test set.

        The mean of the leaves' own R2 is another number: each would take its own mean of y. The
        variance is a difference, but of a large number and a small one: y is standardised.
        """
        variance = means["y_squared"] - means["y"] ** 2
        return {"r2": 1 - means["loss"] / variance}


if __name__ == "__main__":
    dtrain.main(Diabetes)
