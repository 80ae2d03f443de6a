"""Writes reference.json: what PyTorch draws, for tests that run without PyTorch.

    python -m tests.random.make_reference

One generator draws everything, in order, so that each record also says what the earlier ones left
behind in it. A record is a Generator method of dtrain, its arguments, and PyTorch's numbers for it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SEED = 20250101
FILE = Path(__file__).with_name("reference.json")
SIZES = (0, 1, 2, 15, 16, 17, 33)

# name of dtrain's method: PyTorch's, on an empty tensor
DRAWS: dict[str, Callable[..., torch.Tensor]] = {
    "uniform": torch.Tensor.uniform_,
    "normal": torch.Tensor.normal_,
    "bernoulli": torch.Tensor.bernoulli_,
    "exponential": torch.Tensor.exponential_,
    "geometric": torch.Tensor.geometric_,
    "cauchy": torch.Tensor.cauchy_,
    "log_normal": torch.Tensor.log_normal_,
    "bits": torch.Tensor.random_,
}
ARGUMENTS: list[tuple[str, list[float], str]] = [
    ("normal", [0.0, 1.0], "float32"),
    ("uniform", [0.0, 1.0], "float32"),
    ("normal", [-0.5, 0.02], "float64"),
    ("uniform", [-0.3, 0.7], "float64"),
    ("bernoulli", [0.3], "float32"),
    ("exponential", [1.5], "float32"),
    ("geometric", [0.2], "int64"),
    ("cauchy", [1.0, 2.0], "float32"),
    ("log_normal", [0.0, 0.5], "float32"),
    ("bits", [], "uint8"),
    ("bits", [], "int64"),
    ("bits", [], "float32"),
]
RANGES = [(0, 10), (-5, 100), (0, 1 << 28), (-(1 << 40), 1 << 50)]


def records() -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(SEED)
    made = []

    def add(method: str, size: int, arguments: Any, dtype: str, drawn: torch.Tensor) -> None:
        made.append(
            {
                "method": method,
                "size": size,
                "arguments": arguments,
                "dtype": dtype,
                "drawn": drawn.tolist(),
            }
        )

    for size in SIZES:
        for method, arguments, dtype in ARGUMENTS:
            empty = torch.empty(size, dtype=getattr(torch, dtype))
            drawn = DRAWS[method](empty, *arguments, generator=generator)
            add(method, size, arguments, dtype, drawn)
        for bounds in RANGES:
            drawn = torch.randint(*bounds, (size,), generator=generator)
            add("randint", size, bounds, "int64", drawn)
        add("permutation", size, [], "int64", torch.randperm(size, generator=generator))
    return made


def main() -> None:
    lines = ",\n".join(map(json.dumps, records()))
    head = f'"pytorch": "{torch.__version__}", "seed": {SEED}'
    FILE.write_text(f'{{{head}, "records": [\n{lines}\n]}}\n', "utf-8")


if __name__ == "__main__":
    main()
