"""Optimizers with PyTorch's names, arguments and arithmetic, one family a file."""

from dtrain import absent
from dtrain.optim import lr_scheduler, swa_utils
from dtrain.optim.adadelta import Adadelta
from dtrain.optim.adagrad import Adagrad
from dtrain.optim.adam import Adam, AdamW
from dtrain.optim.adamax import Adamax
from dtrain.optim.layerwise import LAMB, LARS
from dtrain.optim.lion import Lion
from dtrain.optim.nadam import NAdam
from dtrain.optim.optimizer import Optimizer
from dtrain.optim.radam import RAdam
from dtrain.optim.rmsprop import RMSprop
from dtrain.optim.sgd import SGD

__all__ = [
    "LAMB",
    "LARS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "lr_scheduler",
    "swa_utils",
]

absent.explain(__name__)
