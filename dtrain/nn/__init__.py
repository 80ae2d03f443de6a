"""Modules, with PyTorch's names, constructor arguments, default initialisation and keys."""

from dtrain.nn import functional, init, modules, parallel, utils
from dtrain.nn.module import Module
from dtrain.nn.modules import *  # noqa: F403
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
