"""Every name of dtrain's registries is compared with PyTorch: by an entry of PyTorch's databases,
by a sample of `extra.py`, or by a file of parity tests that says the name."""

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

from dtrain import linalg, nn, optim, random, special  # noqa: E402
from dtrain.autograd import Tensor  # noqa: E402
from dtrain.autograd.functions.registry import FUNCTIONS, METHODS  # noqa: E402
from dtrain.optim import lr_scheduler  # noqa: E402
from tests.optim.schedules import SCHEDULES  # noqa: E402
from tests.parity.databases.entries import aliases, entries, forms  # noqa: E402
from tests.parity.databases.exceptions import UNCOMPARED  # noqa: E402
from tests.parity.databases.extra import EXTRA, MODULES, WRONG  # noqa: E402
from tests.parity.databases.modules import rows  # noqa: E402
from tests.parity.databases.optimizers import optimizers  # noqa: E402
from tests.parity.databases.test_extra import ATTRIBUTES, QUESTIONS  # noqa: E402

PARITY = Path(__file__).parents[1]
FILLS = "random/test_fills.py"
RANDOM = "random/test_functions.py"

# Names that other files compare with PyTorch, by their file.
ELSEWHERE = {
    "": {"../autograd/scenarios.py": ["is_inference_mode_enabled"]},
    "nn": {
        "nn/test_module.py": ["Module", "Parameter", "Buffer"],
        "nn/test_containers.py": [
            "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential",
        ],
        "nn/test_transformer.py": ["TransformerDecoder"],
        "nn/test_loss.py": ["TripletMarginWithDistanceLoss"],
    },
    "nn.init": {
        "nn/test_init.py": [
            name
            for name in nn.init.__all__
            if name not in ("constant", "kaiming_normal", "kaiming_uniform", "xavier_uniform")
        ],
    },
    "optim": {"optim/test_interface.py": ["Optimizer"]},
    "Tensor": {
        FILLS: [
            "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "random_",
            "uniform_",
        ],
        RANDOM: ["bernoulli", "multinomial"],
        "autograd/steps.py": [
            "data_ptr", "detach_", "register_hook", "register_post_accumulate_grad_hook",
            "retain_grad",
        ],
        "autograd/test_tensor.py": ["backward"],
        "nn/test_module.py": ["requires_grad_"],
        "databases/test_extra.py": ["storage", "untyped_storage"],
    },
    "random": {
        RANDOM: [
            "bernoulli", "get_rng_state", "multinomial", "normal", "poisson", "rand", "rand_like",
            "randint", "randint_like", "randn", "randn_like", "randperm",
        ],
        "databases/test_extra.py": ["default_generator", "set_rng_state"],
        "random/test_generator.py": ["Generator", "initial_seed", "manual_seed"],
    },
}  # fmt: skip


def compared() -> set[str]:
    """All names of which something compares the values."""
    listed = [*entries(), *aliases()]
    names = {(row.label if row.spelled is not row.op else row.op.name) for row in listed}
    names |= {f"Tensor.{name}" for name in names if name in METHODS and name not in FUNCTIONS}
    names |= {f"Tensor.{name}" for row in listed for name, _, _ in forms(row.spelled)}
    names |= {f"Tensor.{name}" for name in [*ATTRIBUTES, *QUESTIONS, "__setitem__"]}
    names |= {f"nn.{name}" for name in [*MODULES, *(row.name for row in rows())]}
    names |= {f"optim.{name}" for name in optimizers()}
    names |= {f"optim.lr_scheduler.{schedule.name}" for schedule in SCHEDULES}
    return with_twins(names | set(EXTRA) | set(WRONG))


def with_twins(names: set[str]) -> set[str]:
    """With methods and functions that are one object with a function or method of these names."""
    twins = [name for name in FUNCTIONS if FUNCTIONS[name] is METHODS.get(name)]
    pairs = [{name, f"Tensor.{name}"} for name in twins]
    return names.union(*(pair for pair in pairs if pair & names))


def elsewhere() -> dict[str, str]:
    """Names and the files that compare them."""
    return {
        f"{where}.{name}".removeprefix("."): file
        for where, files in ELSEWHERE.items()
        for file, names in files.items()
        for name in names
    }


def functions_of(module: object) -> list[str]:
    return [name for name in dir(module) if name[0] != "_" and callable(getattr(module, name))]


REGISTRIES = {
    "functions": list(FUNCTIONS),
    "methods": [f"Tensor.{name}" for name in METHODS],
    "attributes": [
        f"Tensor.{name}"
        for name in dir(Tensor)
        if name[0] != "_" and name not in METHODS and hasattr(torch.Tensor, name)
    ],
    "nn.functional": [f"nn.functional.{name}" for name in functions_of(nn.functional)],
    "special": [f"special.{name}" for name in special.__all__],
    "linalg": [f"linalg.{name}" for name in linalg.__all__],
    "random": [f"random.{name}" for name in random.__all__],
    "modules": [f"nn.{name}" for name in dir(nn) if isinstance(getattr(nn, name), type)],
    "nn.init": [f"nn.init.{name}" for name in nn.init.__all__],
    "optimizers": [
        f"optim.{name}" for name in optim.__all__ if isinstance(getattr(optim, name), type)
    ],
    "schedules": [f"optim.lr_scheduler.{name}" for name in lr_scheduler.__all__],
}


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_name_is_compared_with_pytorch(registry: str) -> None:
    known = compared() | set(elsewhere()) | set(UNCOMPARED)
    assert not [name for name in REGISTRIES[registry] if name not in known]


@pytest.mark.parametrize(("name", "file"), elsewhere().items())
def test_a_file_that_compares_a_name_says_it(name: str, file: str) -> None:
    word = name.rpartition(".")[2]
    assert re.search(rf"\b{word}\b", (PARITY / file).read_text())


def test_no_name_is_listed_that_is_compared_anyway() -> None:
    assert not set(elsewhere()) & (compared() - set(REGISTRIES["random"]))
    assert not set(UNCOMPARED) & (compared() | set(elsewhere()))


def test_every_name_that_is_listed_is_dtrains() -> None:
    every = {name for names in REGISTRIES.values() for name in names}
    assert not (set(elsewhere()) | set(UNCOMPARED) | set(EXTRA) | set(WRONG)) - every
