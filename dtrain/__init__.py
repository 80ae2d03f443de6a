"""dtrain: data-parallel training on CPUs, with the same bits for any number of workers.

    class Digits(dtrain.Job): ...

    dtrain.train(Digits())        from Python; workers=N for N processes
    dtrain.main(Digits)           a script that takes the options of `dtrain run`
    dtrain.load(RUN)              the model of a run
    dtrain.Stepper(Digits())      a step taken apart

Tensors are in `dtrain` itself, everything else of the engine in `nn`, `optim` and `data`.
"""

import sys
from typing import NoReturn

from dtrain import data, nn, optim, random
from dtrain.autograd import (
    Tensor,
    enable_grad,
    grad,
    gradcheck,
    gradgradcheck,
    is_grad_enabled,
    no_grad,
    tensor,
)
from dtrain.errors import (
    AddressError,
    DtrainError,
    ImpureError,
    JobError,
    LeafError,
    NonFiniteError,
    ProtocolError,
    RunDirError,
    RunError,
    SettingError,
    UserError,
)
from dtrain.job import Job
from dtrain.keyed import rng
from dtrain.load import load
from dtrain.random import Generator, initial_seed, manual_seed, rand, randperm
from dtrain.stepper import Stepper
from dtrain.train import Result, train
from dtrain.version import VERSION as __version__

__all__ = [
    "AddressError",
    "DtrainError",
    "Generator",
    "ImpureError",
    "Job",
    "JobError",
    "LeafError",
    "NonFiniteError",
    "ProtocolError",
    "Result",
    "RunDirError",
    "RunError",
    "SettingError",
    "Stepper",
    "Tensor",
    "UserError",
    "__version__",
    "data",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "initial_seed",
    "is_grad_enabled",
    "load",
    "main",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "rand",
    "random",
    "randperm",
    "rng",
    "tensor",
    "train",
]


def main(job_class: type[Job]) -> NoReturn:
    """`dtrain run` for the script that calls it, with the script's own arguments; then exit.

        if __name__ == "__main__":
            dtrain.main(Digits)       # python digits.py --workers 2 --set epochs=5

    Raises JobError if the call is not behind that `if`.
    """
    from dtrain.cli.main import entry
    from dtrain.jobfile import require_not_loading, spec_of

    require_not_loading("dtrain.main")
    sys.exit(entry(["run", str(spec_of(job_class)), *sys.argv[1:]]))
