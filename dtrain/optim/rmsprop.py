"""RMSprop."""

from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import decay_to_square, lerp, signed_and_decayed
from dtrain.optim.optimizer import Array, Group, Optimizer, Params, RateRule
from dtrain.optim.options import check_not_negative, check_rate, number


class RMSprop(Optimizer):
    """RMSprop: the step is divided by a running root of the mean square of the gradient.

        g <- g + weight_decay w                     (-g first, if maximize)
        v <- alpha v + (1 - alpha) g^2
        a <- alpha a + (1 - alpha) g                (only if centered)
        d <- sqrt(v) + eps                          (sqrt(v - a^2) + eps, if centered)
        b <- momentum b + g / d                     (only with momentum)
        w <- w - lr b                               (w - lr g / d, without momentum)

    Where rounding makes v - a^2 negative the result is nan, as in PyTorch; a greater alpha helps.

    Raises:  ValueError for a negative lr, alpha, eps, weight_decay or momentum; see
             `options.check_execution` for capturable, foreach, differentiable.
    Source:  torch.optim.RMSprop (2.13), single-tensor path; Tieleman and Hinton 2012, lecture 6.5;
             Graves 2013, eq. 38 to 45, for centered.
    """

    rate_rule: ClassVar[RateRule] = "sqrt"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon", eps)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("alpha", alpha)
        defaults: dict[str, Any] = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        names = {
            "square_avg": True,
            "momentum_buffer": group["momentum"] > 0,
            "grad_avg": group["centered"],
        }
        return tuple(name for name, is_needed in names.items() if is_needed)

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        lr, momentum = number(group["lr"]), number(group["momentum"])
        w = signed_and_decayed(w, g, out, group)
        denominator = _denominator(g, slots, group)
        if momentum > 0:
            buffer = slots["momentum_buffer"]
            buffer *= momentum
            g /= denominator
            buffer += g
            change = -lr * buffer
        else:
            change = -lr * g
            change /= denominator
        np.add(w, change, out=out)


def _denominator(g: Array, slots: dict[str, Array], group: Group) -> Array:
    """Update the averages; a new array, by which the step is divided."""
    alpha = number(group["alpha"])
    square = slots["square_avg"]
    decay_to_square(square, g, alpha)
    if group["centered"]:
        average = slots["grad_avg"]
        lerp(average, g, 1 - alpha)
        square = square - average * average
    denominator: Array = np.sqrt(square)
    denominator += number(group["eps"])
    return denominator
