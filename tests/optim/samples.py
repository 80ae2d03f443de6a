"""Every optimizer of `dtrain.optim`, with options that exercise each branch of its update."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dtrain import optim
from dtrain.autograd import Tensor, wrap

Array = NDArray[Any]

SAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.01, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"lr": 0.02}),
    ("Adam", {"lr": 0.02, "betas": (0.4, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.02, "amsgrad": True, "eps": 1e-3}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.02, "amsgrad": True, "maximize": True}),
    ("RMSprop", {"lr": 0.02}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"lr": 0.02, "centered": True, "alpha": 0.4, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.02, "centered": True, "momentum": 0.9}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("Adadelta", {"lr": 1.0}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "weight_decay": 0.1, "maximize": True, "eps": 1e-3}),
    ("Adamax", {"lr": 0.02}),
    ("Adamax", {"lr": 0.02, "betas": (0.4, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.02}),
    ("NAdam", {"lr": 0.02, "betas": (0.4, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "eps": 1e-3}),
    ("NAdam", {"lr": 0.02, "momentum_decay": 0.5}),
    ("RAdam", {"lr": 0.02}),
    ("RAdam", {"lr": 0.02, "betas": (0.4, 0.6), "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "eps": 1e-3}),
    ("Lion", {"lr": 0.02}),
    ("Lion", {"lr": 0.02, "betas": (0.4, 0.6), "weight_decay": 0.1, "maximize": True}),
    ("LARS", {"lr": 1.0}),
    ("LARS", {"lr": 1.0, "momentum": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("LARS", {"lr": 0.1, "trust_coefficient": None}),
    ("LAMB", {"lr": 0.02}),
    ("LAMB", {"lr": 0.02, "betas": (0.4, 0.6), "weight_decay": 0, "maximize": True}),
]

IDS = [f"{name}-{'-'.join(options)}" for name, options in SAMPLES]


def parameter(array: Array) -> Tensor:
    """A leaf that an optimizer takes."""
    return wrap(array, requires_grad=True)


def make(name: str, options: dict[str, Any], *parameters: Tensor) -> optim.Optimizer:
    """The optimizer of a sample."""
    made: optim.Optimizer = getattr(optim, name)(list(parameters), **options)
    return made


def rows(seed: int, steps: int, n: int, dtype: str) -> list[Array]:
    """Gradients of `steps` steps, some of them zero."""
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal(n) * (rng.random(n) > 0.1)).astype(dtype) for _ in range(steps)]
