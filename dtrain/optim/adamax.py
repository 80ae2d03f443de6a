"""Adamax: Adam with the greatest gradient in place of the root mean square."""

from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import lerp, signed_and_decayed
from dtrain.optim.optimizer import Array, Group, Optimizer, Params, RateRule
from dtrain.optim.options import check_betas, check_not_negative, check_rate, number


class Adamax(Optimizer):
    """Adamax.

        g <- g + weight_decay w                     (-g first, if maximize)
        m <- beta1 m + (1 - beta1) g
        u <- max(beta2 u, |g| + eps)
        w <- w - lr / (1 - beta1^t) * m / u

    Raises:  ValueError for a negative lr, eps or weight_decay, or a beta outside [0, 1); see
             `options.check_execution` for foreach, capturable, differentiable.
    Source:  torch.optim.Adamax (2.13), single-tensor path; Kingma and Ba 2015, algorithm 2.
    """

    rate_rule: ClassVar[RateRule] = "sqrt"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        lr, (beta1, beta2) = number(group["lr"]), map(number, group["betas"])
        w = signed_and_decayed(w, g, out, group)
        m, greatest = slots["exp_avg"], slots["exp_inf"]
        lerp(m, g, 1 - beta1)
        greatest *= beta2
        np.abs(g, out=g)
        g += number(group["eps"])
        np.maximum(greatest, g, out=greatest)
        change = -lr / (1 - beta1**t) * m
        change /= greatest
        np.add(w, change, out=out)
