"""Stochastic gradient descent."""

from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import signed_and_decayed
from dtrain.optim.optimizer import Array, Group, Optimizer, Params
from dtrain.optim.options import check_not_negative, check_rate, number


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

        g <- g + weight_decay w                     (-g first, if maximize)
        b <- momentum b + (1 - dampening) g         (b <- g at the first update)
        g <- g + momentum b if nesterov, else b     (only with momentum)
        w <- w - lr g

    Raises:  ValueError for a negative rate, momentum or decay, and for nesterov without momentum
             or with dampening; see `options.check_execution` for foreach, differentiable, fused.
    Source:  torch.optim.SGD (2.13), single-tensor path; Sutskever et al. 2013 for nesterov.
    """

    counts_steps: ClassVar[bool] = False

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate(lr)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults: dict[str, Any] = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        w = signed_and_decayed(w, g, out, group)
        if group["momentum"] != 0:
            g = _with_momentum(g, slots["momentum_buffer"], t, group)
        np.add(w, -number(group["lr"]) * g, out=out)


def _with_momentum(g: Array, buffer: Array, t: int, group: Group) -> Array:
    """Update the buffer, and return the direction of the step."""
    momentum = number(group["momentum"])
    if t == 1:
        buffer[...] = g
    else:
        buffer *= momentum
        buffer += (1 - number(group["dampening"])) * g
    if not group["nesterov"]:
        return buffer
    g += momentum * buffer
    return g
