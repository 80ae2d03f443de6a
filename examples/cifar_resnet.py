"""CIFAR-10, its first 10,000 images: a small residual net, with images shifted and mirrored.

dtrain run examples/cifar_resnet.py --workers 2 --data DIR
"""

import numpy as np

import dtrain
from dtrain import nn, optim
from dtrain.data import datasets
from dtrain.nn import functional as F
from dtrain.optim import lr_scheduler

MEAN, STD = (0.4935, 0.4834, 0.4472), (0.2476, 0.2446, 0.2626)  # of these images' pixels in [0, 1]


class CifarResNet(dtrain.Job):
    epochs: int = 16
    batch_size: int = 64
    micro_batches: int = 2
    eval_batch_size: int = 100
    width: int = 24  # channels of the first stage; each of the next has twice as many
    lr: float = 0.1  # the highest; it is reached after 30 % of the steps
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def model(self) -> nn.Module:
        widths = [self.width, 2 * self.width, 4 * self.width]
        return nn.Sequential(
            nn.Conv2d(3, self.width, 3, stride=2, padding=1, bias=False),  # 32 x 32 to 16 x 16
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
            Residual(widths[0], widths[0]),
            Residual(widths[0], widths[1], stride=2),
            Residual(widths[1], widths[2], stride=2),  # 4 x 4
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(widths[2], 10),
        )

    def optimizer(self, model: nn.Module) -> optim.Optimizer:
        return optim.SGD(
            model.parameters(),
            lr=self.lr,
            momentum=self.momentum,
            nesterov=True,
            weight_decay=self.weight_decay,
        )

    def lr_scheduler(self, optimizer: optim.Optimizer) -> lr_scheduler.OneCycleLR:
        return lr_scheduler.OneCycleLR(optimizer, self.lr, self.total_steps, cycle_momentum=False)

    def train_data(self) -> datasets.CIFAR10:
        return Moved(self.data_dir, batches=(1,), mean=MEAN, std=STD)

    def eval_data(self) -> datasets.CIFAR10:
        return datasets.CIFAR10(self.data_dir, train=False, mean=MEAN, std=STD)

    def loss(self, model: nn.Module, batch: list[dtrain.Tensor]) -> dtrain.Tensor:
        images, labels = batch
        logits = model(images)
        self.log("accuracy", (logits.argmax(1) == labels).float().mean())
        return F.cross_entropy(logits, labels)


class Moved(datasets.CIFAR10):
    """The images, each shifted by up to 4 pixels either way, and half of them mirrored.

    How an image is moved is drawn from `dtrain.rng()`: it depends on the seed, the epoch and the
    image alone, not on which worker reads it, or when.
    """

    def __getitem__(self, index: int) -> tuple[dtrain.Tensor, int]:
        image, label = super().__getitem__(index)
        padded = np.zeros((3, 40, 40), np.float32)
        padded[:, 4:36, 4:36] = image.numpy()
        down, right, mirrored = dtrain.rng().integers((9, 9, 2))
        moved = padded[:, down : down + 32, right : right + 32]
        return dtrain.tensor(moved[:, :, ::-1] if mirrored else moved), label


class Residual(nn.Module):
    """Two convolutions, whose result is added to the input; the first may halve the image.

    Source:  K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition, 2015.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.passed = (
            nn.Identity()
            if (inputs, stride) == (outputs, 1)
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs),
            )
        )

    def forward(self, x: dtrain.Tensor) -> dtrain.Tensor:
        return F.relu(self.change(x) + self.passed(x))


if __name__ == "__main__":
    dtrain.main(CifarResNet)
