"""Modules, with PyTorch's names, constructor arguments, default initialisation and keys."""

from dtrain import absent
from dtrain.nn import functional, init, modules, parallel, utils
from dtrain.nn.layers import *
from dtrain.nn.module import Module
from dtrain.nn.parallel import DataParallel
from dtrain.nn.parameter import Buffer, Parameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Module",
    "Parameter",
    "functional",
    "init",
    "modules",
    "parallel",
    "utils",
]

absent.explain(__name__)
