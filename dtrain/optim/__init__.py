"""Optimizers with PyTorch's names, arguments and arithmetic, one family a file."""

from dtrain.optim.adam import Adam, AdamW
from dtrain.optim.optimizer import Optimizer
from dtrain.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
