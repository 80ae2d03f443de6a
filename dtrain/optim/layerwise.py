"""LARS and LAMB: every tensor has a rate of its own, by the norms of its weights and its step."""

from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import decay_to_square, lerp, norm
from dtrain.optim.optimizer import Array, Group, Optimizer, Params, RateRule, Scope
from dtrain.optim.options import check_betas, check_not_negative, check_rate, number


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling: momentum whose step is a fraction of the weights' norm.

        r  = trust_coefficient |w| / ( |g| + weight_decay |w| )         (of the whole tensor)
        b <- momentum b + lr r ( g + weight_decay w )                   (-g first, if maximize)
        w <- w - b

    r is 1 where a norm is 0, and in groups with trust_coefficient=None: that is how biases and
    normalization layers are left out. |x| is the Euclidean norm, summed in float64.

    Raises:  ValueError for a negative lr, momentum, weight_decay or trust_coefficient.
    Source:  You, Gitman and Ginsburg 2017, "Large Batch Training of Convolutional Networks",
             eq. 6 and algorithm 1 (without its schedule of the global rate).
    """

    scope: ClassVar[Scope] = "tensor"
    counts_steps: ClassVar[bool] = False

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float | None = 1e-3,
        *,
        maximize: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        if trust_coefficient is not None:
            check_not_negative("trust_coefficient", trust_coefficient)
        defaults: dict[str, Any] = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        decay, coefficient = number(group["weight_decay"]), group["trust_coefficient"]
        ratio = 1.0
        if coefficient is not None:
            size = norm(w)
            ratio = _ratio(number(coefficient) * size, norm(g) + decay * size)
        if group["maximize"]:
            np.negative(g, out=g)
        if decay != 0:
            g += decay * w
        g *= number(group["lr"]) * ratio
        buffer = slots["momentum_buffer"]
        buffer *= number(group["momentum"])
        buffer += g
        np.subtract(w, buffer, out=out)


class LAMB(Optimizer):
    """Adam's direction, scaled for every tensor to the norm of its weights.

        m <- beta1 m + (1 - beta1) g                (-g instead of g, if maximize)
        v <- beta2 v + (1 - beta2) g^2
        u  = ( m / (1 - beta1^t) ) / ( sqrt( v / (1 - beta2^t) ) + eps ) + weight_decay w
        w <- w - lr |w| / |u| u                     (of the whole tensor)

    |w| / |u| is 1 where a norm is 0. |x| is the Euclidean norm, summed in float64.

    Raises:  ValueError for a negative lr, eps or weight_decay, or a beta outside [0, 1).
    Source:  You et al. 2020, "Large Batch Optimization for Deep Learning: Training BERT in 76
             minutes", algorithm 2, with the identity as phi.
    """

    scope: ClassVar[Scope] = "tensor"
    rate_rule: ClassVar[RateRule] = "sqrt"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        *,
        maximize: bool = False,
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
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        beta1, beta2 = map(number, group["betas"])
        decay = number(group["weight_decay"])
        if group["maximize"]:
            np.negative(g, out=g)
        m, v = slots["exp_avg"], slots["exp_avg_sq"]
        lerp(m, g, 1 - beta1)
        decay_to_square(v, g, beta2)
        denominator = np.divide(v, 1 - beta2**t, out=g)
        np.sqrt(denominator, out=denominator)
        denominator += number(group["eps"])
        change = m / (1 - beta1**t)
        change /= denominator
        if decay != 0:
            change += decay * w
        change *= number(group["lr"]) * _ratio(norm(w), norm(change))
        np.subtract(w, change, out=out)


def _ratio(above: float, below: float) -> float:
    return above / below if above > 0 and below > 0 else 1.0
