"""PyTorch's CPU random numbers: the same seed draws the same bits."""

from dtrain.autograd.tensor import Tensor
from dtrain.random import fills
from dtrain.random.default import (
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from dtrain.random.functions import (
    bernoulli,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from dtrain.random.generator import Generator

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]

# Tensor's methods, here because the engine below knows of no random numbers.
for _method in (
    *(getattr(fills, name) for name in fills.__all__),
    bernoulli,
    multinomial,
):
    setattr(Tensor, _method.__name__, _method)
