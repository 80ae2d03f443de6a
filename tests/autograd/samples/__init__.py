"""Inputs for every op of the table, one file a family. An op without a sample fails the suite."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dtrain.autograd import OPS, Op
from tests.autograd.samples.draws import Sample, draw

FAMILIES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
SAMPLES: dict[str, list[Sample]] = {
    name: each
    for family in FAMILIES
    for name, each in getattr(
        import_module(f"tests.autograd.samples.{family}"), "SAMPLES", {}
    ).items()
}


def samples(op: Op) -> list[Sample]:
    """The samples of an op; those of elementwise ops are drawn from their domain."""
    if op.domain is None:
        return SAMPLES.get(op.name, [])
    low, high = op.domain
    if len(op.inputs) == 1:
        drawn = [Sample((draw(2, 3, low=low, high=high),)), Sample((draw(low=low, high=high),))]
    else:
        drawn = [
            Sample((draw(2, 3, low=low, high=high), draw(3, low=low, high=high))),
            Sample((draw(2, 1, low=low, high=high), draw(1, 2, low=low, high=high))),
            Sample((draw(2, low=low, high=high), 2.5)),
            Sample((1.5, draw(2, low=low, high=high))),
        ]
    return [*drawn, *SAMPLES.get(op.name, [])]


def cases() -> list[Any]:
    """Every sample of every op, named for pytest."""
    return [
        pytest.param(op, sample, id=f"{op.name}-{at}")
        for op in OPS.values()
        for at, sample in enumerate(samples(op))
    ]
