"""Anomaly detection: the first NaN of a backward, and the line of the forward that made it."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.node import Node
from dtrain.autograd.value import Value


def require_numbers(node: Node, gradients: Sequence[Any]) -> None:
    """Raises RuntimeError at the first NaN, and warns of the line of the forward."""
    for at, each in enumerate(gradients):
        array = each._array if isinstance(each, Value) else each
        if isinstance(array, np.ndarray | np.generic) and np.isnan(array).any():
            warn_of(node)
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {at}th output."
            )


def warn_of(node: Node) -> None:
    """Show where the op of a node was called, if that was remembered."""
    lines = "" if node.extras is None else node.extras.stack
    where = (
        f"Traceback of forward call that caused the error:\n{lines}"
        if lines
        else (
            "No forward pass information available. Enable detect anomaly during forward pass "
            "for more information."
        )
    )
    warnings.warn(f"Error detected in {node.name()}. {where}", stacklevel=2)
