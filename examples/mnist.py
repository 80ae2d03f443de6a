"""MNIST: a 784-256-10 perceptron, from a folder of the four published .gz files.

dtrain run examples/mnist.py --workers 2 --data DIR
"""

import dtrain
from dtrain import nn, optim
from dtrain.data import datasets
from dtrain.nn import functional as F


class MNIST(dtrain.Job):
    epochs: int = 3
    batch_size: int = 96
    micro_batches: int = 4
    eval_batch_size: int = 1000
    hidden: int = 256
    lr: float = 0.03
    momentum: float = 0.9

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(784, self.hidden), nn.ReLU(), nn.Linear(self.hidden, 10))

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.SGD(model.parameters(), lr=self.lr, momentum=self.momentum, nesterov=True)

    def train_data(self) -> datasets.MNIST:
        return datasets.MNIST(self.data_dir, train=True, mean=0.1307, std=0.3081)

    def eval_data(self) -> datasets.MNIST:
        return datasets.MNIST(self.data_dir, train=False, mean=0.1307, std=0.3081)

    def loss(self, model: nn.Module, batch: list[dtrain.Tensor]) -> dtrain.Tensor:
        images, labels = batch
        logits = model(images)
        self.log("accuracy", (logits.argmax(1) == labels).float().mean())
        return F.cross_entropy(logits, labels)


if __name__ == "__main__":
    dtrain.main(MNIST)
