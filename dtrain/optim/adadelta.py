"""Adadelta."""

from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import decay_to_square, signed_and_decayed
from dtrain.optim.optimizer import Array, Group, Optimizer, Params, RateRule
from dtrain.optim.options import check_not_negative, check_rate, number


class Adadelta(Optimizer):
    """Adadelta: the step is as large, in its mean square, as the steps before it were.

        g <- g + weight_decay w                     (-g first, if maximize)
        v <- rho v + (1 - rho) g^2
        d  = sqrt(u + eps) / sqrt(v + eps) * g
        u <- rho u + (1 - rho) d^2
        w <- w - lr d

    Raises:  ValueError for a negative lr, eps or weight_decay, or a rho outside [0, 1]; see
             `options.check_execution` for foreach, capturable, differentiable.
    Source:  torch.optim.Adadelta (2.13), single-tensor path; Zeiler 2012, algorithm 1.
    """

    rate_rule: ClassVar[RateRule] = "sqrt"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative("epsilon", eps)
        check_not_negative("weight_decay", weight_decay)
        defaults: dict[str, Any] = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        rho, eps = number(group["rho"]), number(group["eps"])
        w = signed_and_decayed(w, g, out, group)
        square, before = slots["square_avg"], slots["acc_delta"]
        decay_to_square(square, g, rho)
        delta = np.sqrt(before + eps)
        delta /= np.sqrt(square + eps)
        delta *= g
        decay_to_square(before, delta, rho)
        delta *= -number(group["lr"])
        np.add(w, delta, out=out)
