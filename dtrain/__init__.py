"""dtrain: data-parallel training on CPUs, with the same bits for any number of workers.

    class Digits(dtrain.Job): ...

    dtrain.train(Digits())        from Python; workers=N for N processes
    dtrain.main(Digits)           a script that takes the options of `dtrain run`
    dtrain.load(RUN)              the model of a run
    dtrain.Stepper(Digits())      a step taken apart

Tensors are in `dtrain` itself, everything else of the engine in `nn`, `optim` and `data`.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from dtrain import autograd, nn, random
from dtrain.autograd import (
    Tensor,
    enable_grad,
    grad,
    gradcheck,
    gradgradcheck,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from dtrain.autograd.device import device
from dtrain.autograd.dtypes import DType as dtype
from dtrain.autograd.dtypes import (
    bool_,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
)
from dtrain.autograd.functions import *
from dtrain.autograd.functions.creation import tensor
from dtrain.autograd.functions.typed import TYPES
from dtrain.autograd.printing import get_printoptions, set_printoptions
from dtrain.autograd.size import Size
from dtrain.autograd.tensor import is_tensor
from dtrain.constants import *
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
from dtrain.random import (
    Generator,
    bernoulli,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
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
    seed,
    set_rng_state,
)
from dtrain.switches import *
from dtrain.twins import *
from dtrain.version import VERSION as __version__

if TYPE_CHECKING:  # see MODULES and LATER
    from dtrain import (
        accelerator,
        amp,
        backends,
        cuda,
        data,
        distributed,
        linalg,
        optim,
        special,
        testing,
        utils,
    )  # fmt: skip
    from dtrain.amp import autocast
    from dtrain.job import Job
    from dtrain.keyed import rng
    from dtrain.loading import load
    from dtrain.serialization import save
    from dtrain.stepper import Stepper
    from dtrain.training import Result, train

# PyTorch's other names of dtypes
float, double, half = float32, float64, float16
long, int, short = int64, int32, int16
bool = bool_
globals().update(TYPES)  # FloatTensor and the like

# And what stands in dtrain.autograd.functions, constants, switches and twins, and TYPES.
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
    "Size",
    "Stepper",
    "Tensor",
    "UserError",
    "__version__",
    "accelerator",
    "amp",
    "autocast",
    "autograd",
    "backends",
    "bernoulli",
    "bool",
    "cuda",
    "data",
    "default_generator",
    "device",
    "distributed",
    "double",
    "dtype",
    "enable_grad",
    "float",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "get_printoptions",
    "get_rng_state",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "half",
    "inference_mode",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "is_tensor",
    "linalg",
    "load",
    "long",
    "main",
    "manual_seed",
    "multinomial",
    "nn",
    "no_grad",
    "normal",
    "optim",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "rng",
    "save",
    "seed",
    "set_default_dtype",
    "set_grad_enabled",
    "set_printoptions",
    "set_rng_state",
    "short",
    "special",
    "tensor",
    "testing",
    "train",
    "uint8",
    "utils",
]


def main(job_class: "type[Job]") -> NoReturn:
    """`dtrain run` for the script that calls it, with the script's own arguments; then exit.

        if __name__ == "__main__":
            dtrain.main(Digits)       # python digits.py --workers 2 --set epochs=5

    Raises JobError if the call is not behind that `if`.
    """
    from dtrain.cli.main import entry
    from dtrain.jobfile import require_not_loading, spec_of

    require_not_loading("dtrain.main")
    sys.exit(entry(["run", str(spec_of(job_class)), *sys.argv[1:]]))


# Loaded when it is asked for, since most scripts need few of them: modules, and the modules of
# names. No module may have the name of a function here, which it would take when it is loaded.
MODULES = (
    "accelerator", "amp", "backends", "cuda", "data", "distributed", "linalg", "optim", "special",
    "testing", "utils",
)  # fmt: skip
LATER = {
    "Job": "job",
    "Result": "training",
    "Stepper": "stepper",
    "autocast": "amp",
    "load": "loading",
    "rng": "keyed",
    "save": "serialization",
    "train": "training",
}
_INSTEAD = {
    "bfloat16": "use float32",
    "compiler": "there is no compiler: call functions and modules as they are",
    "fx": "there is no compiler: call functions and modules as they are",
    "jit": "there is no compiler: call functions and modules as they are",
    "func": "take gradients with autograd.grad, and let functions work on a whole batch",
    "vmap": "let the function work on a whole batch, with one dimension more",
    "multiprocessing": "use Python's multiprocessing, or `dtrain run --workers` to train",
    "complex64": "keep real and imaginary parts apart",
    "complex128": "keep real and imaginary parts apart",
}


def __getattr__(name: str) -> Any:
    """What is loaded later; an error that says what to do for what is not there."""
    if name in MODULES:
        return import_module(f"dtrain.{name}")
    if name in LATER:
        globals()[name] = found = getattr(import_module(f"dtrain.{LATER[name]}"), name)
        return found
    if name in _INSTEAD:
        raise AttributeError(f"dtrain has no {name!r}: {_INSTEAD[name]}")
    raise AttributeError(
        f"dtrain has no {name!r}. Of PyTorch it has what training on a CPU needs, under the same "
        "names: tensors and functions here, layers in nn, optimizers in optim, loaders in "
        "utils.data; see docs/pytorch.md for what is not there"
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *MODULES, *LATER})
