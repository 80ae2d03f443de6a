"""What samples are made of."""

from typing import Any, NamedTuple

import numpy as np


class Sample(NamedTuple):
    """One call of an op: input arrays, numbers or None, and options."""

    inputs: tuple[Any, ...]
    options: dict[str, Any] = {}  # noqa: RUF012  a default of a NamedTuple, never written to


rng = np.random.default_rng(7)


def draw(*shape: int, low: float = -2.0, high: float = 2.0) -> Any:
    """Uniform float64 draws of a shape."""
    return rng.uniform(low, high, shape)


PAIRS = np.array([[0, 2], [1, 1]])
