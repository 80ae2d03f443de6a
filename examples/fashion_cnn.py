"""Fashion-MNIST: a convolutional net with batch norm, trained with AdamW on one cycle of rates.

dtrain run examples/fashion_cnn.py --workers 2 --data DIR
"""

import dtrain
from dtrain import nn, optim
from dtrain.data import datasets
from dtrain.nn import functional as F
from dtrain.optim import lr_scheduler

MEAN, STD = 0.2860, 0.3530  # of the training pixels in [0, 1]


class FashionCNN(dtrain.Job):
    epochs: int = 4
    batch_size: int = 128
    micro_batches: int = 4
    eval_batch_size: int = 250
    width: int = 16  # channels of the first convolution
    hidden: int = 64
    lr: float = 0.01  # the highest; it is reached after 30 % of the steps
    weight_decay: float = 0.01

    def model(self) -> nn.Module:
        return nn.Sequential(
            *convolution(1, self.width),  # 28 x 28 to 14 x 14
            *convolution(self.width, 2 * self.width),  # to 7 x 7
            nn.Flatten(),
            nn.Linear(2 * self.width * 7 * 7, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, 10),
        )

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.AdamW(model.parameters(), lr=self.lr, weight_decay=self.weight_decay)

    def lr_scheduler(self, optimizer: optim.Optimizer) -> lr_scheduler.OneCycleLR:
        return lr_scheduler.OneCycleLR(optimizer, self.lr, self.total_steps)

    def train_data(self) -> datasets.FashionMNIST:
        return self.images(train=True)

    def eval_data(self) -> datasets.FashionMNIST:
        return self.images(train=False)

    def images(self, train: bool) -> datasets.FashionMNIST:
        return datasets.FashionMNIST(self.data_dir, train, shape=(1, 28, 28), mean=MEAN, std=STD)

    def loss(self, model: nn.Module, batch: list[dtrain.Tensor]) -> dtrain.Tensor:
        images, labels = batch
        logits = model(images)
        self.log("accuracy", (logits.argmax(1) == labels).float().mean())
        return F.cross_entropy(logits, labels)


def convolution(inputs: int, outputs: int) -> list[nn.Module]:
    """A convolution that halves the image. The norm has a bias, so the convolution needs none."""
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]


if __name__ == "__main__":
    dtrain.main(FashionCNN)
