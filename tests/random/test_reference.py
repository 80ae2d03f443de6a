"""PyTorch's published and recorded numbers, without PyTorch at hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

import dtrain
from dtrain import nn, random

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text("utf-8"))
ULPS = {"normal": 4, "cauchy": 4, "log_normal": 2, "exponential": 2}  # logarithms and cosines
X = [[0.5721975564956665], [0.5538755059242249]]
NOISE = [[0.14565782248973846], [-0.7344776391983032]]
NOISE_SUM = -1.5320029258728027


def draw(generator: random.Generator, record: dict[str, Any]) -> Any:
    method, shape, dtype = record["method"], (record["size"],), record["dtype"]
    if method == "permutation":
        return generator.permutation(record["size"])
    if method == "randint":
        return generator.randint(*record["arguments"], shape)
    return getattr(generator, method)(shape, *record["arguments"], dtype=dtype)


def test_one_generator_draws_everything_that_pytorch_drew_in_its_order() -> None:
    generator = random.Generator(REFERENCE["seed"])
    for record in REFERENCE["records"]:
        expected = np.array(record["drawn"], record["dtype"])
        drawn = draw(generator, record)
        assert drawn.dtype == expected.dtype, record
        if expected.dtype.kind == "f" and expected.size:
            allowed = ULPS.get(record["method"], 0) * np.spacing(np.abs(expected))
            assert (np.abs(drawn - expected) <= allowed).all(), record
        else:
            assert drawn.tolist() == expected.tolist(), record


def test_seed_0_draws_pytorchs_numbers() -> None:
    """torch.manual_seed(0); torch.rand(3) (PyTorch 2.13)."""
    assert random.Generator(0).uniform((3,)).tolist() == [
        0.49625658988952637,
        0.7682217955589294,
        0.08847743272781372,
    ]


def test_seed_0_draws_pytorchs_normal_numbers() -> None:
    """torch.manual_seed(0); torch.randn(3) (PyTorch 2.13)."""
    dtrain.random.manual_seed(0)
    assert dtrain.random.randn(3).tolist() == [
        1.5409960746765137,
        -0.293428897857666,
        -2.1787893772125244,
    ]


def test_linear_starts_from_pytorchs_weights() -> None:
    """torch.manual_seed(0); torch.nn.Linear(2, 2) (PyTorch 2.13)."""
    random.manual_seed(0)
    layer = nn.Linear(2, 2)
    assert layer.weight.tolist() == [
        [-0.005293981172144413, 0.37932288646698],
        [-0.5819807648658752, -0.5203874707221985],
    ]
    assert layer.bias.tolist() == [-0.27234524488449097, 0.1896158903837204]


def test_the_first_published_example_starts_from_pytorchs_numbers() -> None:
    """torch.manual_seed(6); x = torch.rand(20, 1) * 10; 5 + torch.randn(20, 1)."""
    random.manual_seed(6)
    x, noise = random.rand(20, 1), random.randn(20, 1)
    assert x[:2].tolist() == X
    assert noise[:2].tolist() == NOISE
    assert math.isclose(float(noise.sum()), NOISE_SUM, rel_tol=1e-6)
