"""Learning-rate schedules with PyTorch's names, arguments and arithmetic, one family a file."""

from dtrain.optim.lr_scheduler.base import LRScheduler
from dtrain.optim.lr_scheduler.base import _LRScheduler as _LRScheduler
from dtrain.optim.lr_scheduler.combine import ChainedScheduler, SequentialLR
from dtrain.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from dtrain.optim.lr_scheduler.cyclic import CyclicLR
from dtrain.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from dtrain.optim.lr_scheduler.function import LambdaLR, MultiplicativeLR
from dtrain.optim.lr_scheduler.onecycle import OneCycleLR
from dtrain.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
