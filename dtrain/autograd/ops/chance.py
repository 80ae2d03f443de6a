"""Random numbers as an op."""

from typing import Any

from dtrain.autograd.op import op
from dtrain.autograd.ops.logic import nothing
from dtrain.autograd.value import Array


@op(label="Draw", a=nothing, b=nothing)
def drawn(a: Any, b: Any, *, draws: Array) -> Array:
    """Draws that were shaped by a and b, or took their place: the gradient of both is zero."""
    return draws
