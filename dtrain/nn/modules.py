"""The names of torch.nn.modules: all modules, as in `dtrain.nn`, and PyTorch's files of them."""

import sys
from types import ModuleType

from dtrain.nn import (
    activation,
    attention,
    batchnorm,
    containers,
    conv,
    distance,
    dropout,
    flatten,
    linear,
    loss,
    margin,
    module,
    normalization,
    padding,
    parameter_containers,
    pooling,
    recurrent,
    sparse,
    transformer,
    transformer_layers,
    tuples,
    vision,
)
from dtrain.nn.layers import *
from dtrain.nn.module import Module as Module

FILES = {
    "activation": [activation, attention],
    "batchnorm": [batchnorm],
    "channelshuffle": [vision],
    "container": [containers, parameter_containers],
    "conv": [conv],
    "distance": [distance],
    "dropout": [dropout],
    "flatten": [flatten],
    "fold": [vision],
    "instancenorm": [batchnorm],
    "linear": [linear],
    "loss": [loss, margin],
    "module": [module],
    "normalization": [normalization],
    "padding": [padding],
    "pixelshuffle": [vision],
    "pooling": [pooling],
    "rnn": [recurrent],
    "sparse": [sparse],
    "transformer": [transformer, transformer_layers],
    "upsampling": [vision],
    "utils": [tuples],
}


def _declare() -> None:
    for name, files in FILES.items():
        made = ModuleType(f"{__name__}.{name}", f"The names of torch.nn.modules.{name}.")
        for file in files:
            vars(made).update((key, each) for key, each in vars(file).items() if key[:2] != "__")
        sys.modules[made.__name__] = globals()[name] = made


_declare()
