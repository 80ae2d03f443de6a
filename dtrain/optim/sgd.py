"""Stochastic gradient descent."""

from typing import ClassVar

import numpy as np

from dtrain.optim.optimizer import Array, Group, Optimizer, Params, check_decay, check_rate


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

        g <- g + weight_decay w                     (-g first, if maximize)
        b <- momentum b + (1 - dampening) g         (b <- g at the first update)
        g <- g + momentum b if nesterov, else b     (only with momentum)
        w <- w - lr g

    Raises:  ValueError for a negative rate, momentum or decay, and for nesterov without momentum
             or with dampening.
    Source:  torch.optim.SGD (2.13), single-tensor path; Sutskever et al. 2013 for nesterov.
    """

    counts_steps: ClassVar[bool] = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_rate(lr)
        if not momentum >= 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        check_decay(weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        if group["maximize"]:
            np.negative(g, out=g)
        if group["weight_decay"] != 0:
            g += group["weight_decay"] * w
        if group["momentum"] != 0:
            g = _with_momentum(g, slots["momentum_buffer"], t, group)
        np.add(w, -float(group["lr"]) * g, out=out)


def _with_momentum(g: Array, buffer: Array, t: int, group: Group) -> Array:
    """Update the buffer, and return the direction of the step."""
    if t == 1:
        buffer[...] = g
    else:
        buffer *= group["momentum"]
        buffer += (1 - group["dampening"]) * g
    if not group["nesterov"]:
        return buffer
    g += group["momentum"] * buffer
    return g
