"""Adagrad."""

from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import signed_and_decayed
from dtrain.optim.optimizer import Array, Group, Optimizer, Params, RateRule
from dtrain.optim.options import check_not_negative, check_rate, number


class Adagrad(Optimizer):
    """Adagrad: the step is divided by the root of the sum of all squared gradients.

        g <- g + weight_decay w                     (-g first, if maximize)
        s <- s + g^2                                (s is initial_accumulator_value at first)
        w <- w - lr / (1 + (t - 1) lr_decay) * g / ( sqrt(s) + eps )

    State is made by a parameter's first update, not by the constructor as in PyTorch.

    Raises:  ValueError for a negative lr, lr_decay, weight_decay, initial_accumulator_value or
             eps; see `options.check_execution` for foreach, differentiable, fused.
    Source:  torch.optim.Adagrad (2.13), single-tensor path; Duchi et al. 2011, eq. 1, diagonal.
    """

    rate_rule: ClassVar[RateRule] = "sqrt"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate(lr)
        check_not_negative("lr_decay", lr_decay)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("initial_accumulator_value", initial_accumulator_value)
        check_not_negative("epsilon", eps)
        defaults: dict[str, Any] = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("sum",)

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        rate = number(group["lr"]) / (1 + (t - 1) * number(group["lr_decay"]))
        w = signed_and_decayed(w, g, out, group)
        total = slots["sum"]
        if t == 1:
            total[...] = number(group["initial_accumulator_value"])
        total += g * g
        change = -rate * g
        denominator = np.sqrt(total, out=g)
        denominator += number(group["eps"])
        change /= denominator
        np.add(w, change, out=out)
