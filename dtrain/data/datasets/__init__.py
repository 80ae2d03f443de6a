"""Data sets. Digits comes with the package; the others read files that you have."""

from dtrain.data.datasets.chartext import CharText
from dtrain.data.datasets.cifar import CIFAR10
from dtrain.data.datasets.diabetes import Diabetes
from dtrain.data.datasets.digits import Digits
from dtrain.data.datasets.images import Images
from dtrain.data.datasets.mnist import MNIST, FashionMNIST

__all__ = ["CIFAR10", "MNIST", "CharText", "Diabetes", "Digits", "FashionMNIST", "Images"]
