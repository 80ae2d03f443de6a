"""Inputs for every op of the table. An op without a sample here fails the suite."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from dtrain.autograd import OPS, Op


class Sample(NamedTuple):
    """One call of an op: input arrays, numbers or None, and options."""

    inputs: tuple[Any, ...]
    options: dict[str, Any] = {}  # noqa: RUF012  a default of a NamedTuple, never written to


rng = np.random.default_rng(7)


def draw(*shape: int, low: float = -2.0, high: float = 2.0) -> Any:
    return rng.uniform(low, high, shape)


LABELS = np.array([2, 0, 1, 2])
IGNORING = np.array([2, -100, 1, -100])
PAIRS = np.array([[0, 2], [1, 1]])

SAMPLES: dict[str, list[Sample]] = {
    **{name: [Sample((draw(3), draw(3)))] for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{
        name: [Sample((PAIRS > 0, np.array([True, False])))]
        for name in ("bitwise_and", "bitwise_or")
    },
    "bitwise_not": [Sample((PAIRS > 0,))],
    "where": [Sample((PAIRS > 0, draw(2, 2), draw(2))), Sample((PAIRS > 0, draw(2, 1), 0.5))],
    "sum": [
        Sample((draw(2, 3),)),
        Sample((draw(2, 3, 2),), {"axis": (0, -1)}),
        Sample((draw(2, 3),), {"axis": 1, "keepdims": True}),
        Sample((draw(),)),
    ],
    "mean": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0}), Sample((draw(),))],
    "amax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": -1, "keepdims": True})],
    "amin": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0})],
    "argmax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 1})],
    "argmin": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 1})],
    "sum_to": [Sample((draw(2, 3, 2),), {"shape": (3, 1)}), Sample((draw(2),), {"shape": ()})],
    "expand": [Sample((draw(3, 1),), {"shape": (2, 3, 2)})],
    "reshape": [Sample((draw(2, 3),), {"shape": (3, 2)}), Sample((draw(4),), {"shape": (2, -1)})],
    "permute": [Sample((draw(2, 3, 1),), {"axes": (2, 0, 1)})],
    "cast": [Sample((draw(3),), {"dtype": np.float64})],
    "alias": [Sample((draw(3),))],
    "clone": [Sample((draw(2, 3).T,))],
    "index": [
        Sample((draw(4, 3),), {"key": (slice(1, 3), None, 0)}),
        Sample((draw(4, 3),), {"key": np.array([0, 3, 0])}),
        Sample((draw(2, 2),), {"key": PAIRS == 1}),
        Sample((draw(4, 3),), {"key": ...}),
    ],
    "scatter": [
        Sample((draw(2, 3),), {"shape": (4, 3), "key": slice(1, 3)}),
        Sample((draw(3, 2),), {"shape": (4, 2), "key": np.array([0, 3, 0])}),
    ],
    "take_along": [Sample((draw(2, 3),), {"indices": PAIRS, "axis": 1})],
    "put_along": [Sample((draw(2, 2),), {"indices": PAIRS, "size": 3, "axis": 1})],
    "cat": [
        Sample((draw(2, 2), draw(2, 1))[::1], {"dim": 1}),
        Sample((draw(1, 2), draw(3, 2), draw(0, 2)), {"dim": -2}),
    ],
    "matmul": [
        Sample((draw(2, 3), draw(3, 2))),
        Sample((draw(3, 2), draw(3, 2)), {"ta": True}),
        Sample((draw(2, 3), draw(2, 3)), {"tb": True}),
        Sample((draw(3, 2), draw(2, 3)), {"ta": True, "tb": True}),
        Sample((draw(2, 1, 2, 3), draw(2, 3, 1))),
    ],
    "linear": [
        Sample((draw(2, 3), draw(4, 3), draw(4))),
        Sample((draw(2, 3), draw(9, 3), draw(9))),
        Sample((draw(2, 3), draw(9, 3))),
        Sample((draw(2, 2, 3), draw(1, 3), None)),
        Sample((draw(3), draw(2, 3), draw(2))),
    ],
    "softmax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0})],
    "log_softmax": [Sample((draw(2, 3),)), Sample((draw(2, 3),), {"axis": 0})],
    **{
        name: [
            Sample((draw(4, 3), labels), {"reduction": reduction})
            for labels in (LABELS, IGNORING)
            for reduction in ("none", "sum", "mean")
        ]
        for name in ("cross_entropy", "nll")
    },
}


def samples(op: Op) -> list[Sample]:
    """The samples of an op; those of elementwise ops are drawn from its domain."""
    if op.family != "elementwise":
        return SAMPLES.get(op.name, [])
    assert op.domain is not None, f"{op.name} is elementwise and needs a domain"
    low, high = op.domain
    if len(op.inputs) == 1:
        return [Sample((draw(2, 3, low=low, high=high),)), Sample((draw(low=low, high=high),))]
    return [
        Sample((draw(2, 3, low=low, high=high), draw(3, low=low, high=high))),
        Sample((draw(2, 1, low=low, high=high), draw(1, 2, low=low, high=high))),
        Sample((draw(2, low=low, high=high), 2.5)),
        Sample((1.5, draw(2, low=low, high=high))),
    ]


def cases() -> list[Any]:
    """Every sample of every op, named for pytest."""
    return [
        pytest.param(op, sample, id=f"{op.name}-{at}")
        for op in OPS.values()
        for at, sample in enumerate(samples(op))
    ]
