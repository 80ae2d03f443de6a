"""RAdam: Adam that waits until its variance can be trusted."""

from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import decay_to_square, lerp, signed_and_decayed
from dtrain.optim.optimizer import Array, Group, Optimizer, Params, RateRule
from dtrain.optim.options import check_betas, check_not_negative, check_rate, number


class RAdam(Optimizer):
    """Rectified Adam.

        g <- g + weight_decay w                     (-g first, if maximize)
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        rho_inf = 2 / (1 - beta2) - 1               (what rho tends to)
        rho     = rho_inf - 2 t beta2^t / (1 - beta2^t)
        w <- w - lr m / (1 - beta1^t)                                           if rho <= 5, else
        w <- w - lr m / (1 - beta1^t) * sqrt(1 - beta2^t) / ( sqrt(v) + eps ) * r,   where
        r = sqrt( (rho - 4) (rho - 2) rho_inf / ( (rho_inf - 4) (rho_inf - 2) rho ) )

    With decoupled_weight_decay instead w <- (1 - lr weight_decay) w, first.

    Raises:  ValueError for a negative lr, eps or weight_decay, or a beta outside [0, 1); see
             `options.check_execution` for foreach, capturable, differentiable.
    Source:  torch.optim.RAdam (2.13), single-tensor path; Liu et al. 2020, algorithm 2.
    """

    rate_rule: ClassVar[RateRule] = "sqrt"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        beta1, beta2 = map(number, group["betas"])
        w = signed_and_decayed(w, g, out, group)
        m, v = slots["exp_avg"], slots["exp_avg_sq"]
        lerp(m, g, 1 - beta1)
        decay_to_square(v, g, beta2)
        change = np.divide(m, 1 - beta1**t, out=g)
        change *= number(group["lr"])
        rectification = _rectification(beta2, t)
        if rectification is not None:
            denominator = np.sqrt(v)
            denominator += number(group["eps"])
            change *= (1 - beta2**t) ** 0.5 / denominator
            change *= rectification
        np.subtract(w, change, out=out)


def _rectification(beta2: Any, t: int) -> Any:
    """r, or None while the variance cannot be trusted."""
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * (beta2**t) / (1 - beta2**t)
    if not rho > 5.0:
        return None
    return ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
