"""Lion: the sign of an interpolated momentum."""

from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import lerp
from dtrain.optim.optimizer import Array, Group, Optimizer, Params, RateRule
from dtrain.optim.options import check_betas, check_not_negative, check_rate, number


class Lion(Optimizer):
    """Evolved sign momentum.

        c  = beta1 m + (1 - beta1) g                (-g instead of g, if maximize)
        w <- w - lr ( sign(c) + weight_decay w )
        m <- beta2 m + (1 - beta2) g

    Every element moves by lr, so that a good lr is 3 to 10 times less than for AdamW, and a good
    weight_decay as many times greater.

    Raises:  ValueError for a negative lr or weight_decay, or a beta outside [0, 1).
    Source:  Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2.
             State and options are named as in the authors' implementation for PyTorch.
    """

    rate_rule: ClassVar[RateRule] = "sqrt"

    counts_steps: ClassVar[bool] = False

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        check_rate(lr)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": betas,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg",)

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        lr, (beta1, beta2) = number(group["lr"]), map(number, group["betas"])
        if group["maximize"]:
            np.negative(g, out=g)
        m = slots["exp_avg"]
        change = m.copy()
        lerp(change, g, 1 - beta1)
        np.sign(change, out=change)
        decay = number(group["weight_decay"])
        if decay != 0:
            change += decay * w
        change *= lr
        np.subtract(w, change, out=out)
        lerp(m, g, 1 - beta2)
