"""Modules, with PyTorch's names, constructor arguments, default initialisation and keys."""

from dtrain.nn import functional
from dtrain.nn.layers import (
    CrossEntropyLoss,
    Flatten,
    Linear,
    MSELoss,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from dtrain.nn.module import Module
from dtrain.nn.parameter import Parameter

__all__ = [
    "CrossEntropyLoss",
    "Flatten",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "functional",
]
