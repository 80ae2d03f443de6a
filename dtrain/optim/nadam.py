"""NAdam: Adam with Nesterov momentum."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import decay_to_square, lerp, signed_and_decayed
from dtrain.optim.optimizer import Array, Group, Optimizer, Params, RateRule
from dtrain.optim.options import check_betas, check_not_negative, check_rate, number


class NAdam(Optimizer):
    """NAdam, with a momentum that grows by a schedule of its own.

        mu(t) = beta1 ( 1 - 0.96^(t momentum_decay) / 2 )
        p <- mu(t) p                                (the product mu(1) ... mu(t): a number)
        g <- g + weight_decay w                     (-g first, if maximize)
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        d  = sqrt( v / (1 - beta2^t) ) + eps
        w <- w - lr (1 - mu(t)) / (1 - p) * g / d - lr mu(t+1) / (1 - p mu(t+1)) * m / d

    With decoupled_weight_decay instead w <- (1 - lr weight_decay) w, first.
    The product is in float32, or in the dtype of the parameter once it was loaded, like PyTorch's.

    Raises:  ValueError for a negative lr, eps, weight_decay or momentum_decay, or a beta outside
             [0, 1); see `options.check_execution` for foreach, capturable, differentiable.
    Source:  torch.optim.NAdam (2.13), single-tensor path; Dozat 2016, algorithm 2.
    """

    rate_rule: ClassVar[RateRule] = "sqrt"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative("momentum_decay", momentum_decay)
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def scalars(self, t: int, group: Group, before: Mapping[str, Array]) -> dict[str, Array]:
        product = before.get("mu_product", np.ones((), np.float32))
        return {"mu_product": np.asarray(product * _mu(t, group))}

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        lr, (beta1, beta2) = number(group["lr"]), map(number, group["betas"])
        w = signed_and_decayed(w, g, out, group)
        m, v = slots["exp_avg"], slots["exp_avg_sq"]
        lerp(m, g, 1 - beta1)
        decay_to_square(v, g, beta2)
        denominator = np.sqrt(v / (1 - beta2**t))
        denominator += number(group["eps"])
        mu, mu_next = _mu(t, group), _mu(t + 1, group)
        product = float(slots["mu_product"])
        g *= -lr * (1.0 - mu) / (1.0 - product)
        g /= denominator
        change = (-lr * mu_next) / (1.0 - product * mu_next) * m
        change /= denominator
        np.add(w, g, out=out)
        out += change


def _mu(t: int, group: Group) -> Any:
    """The momentum of the t-th update."""
    beta1, decay = number(group["betas"][0]), number(group["momentum_decay"])
    return beta1 * (1.0 - 0.5 * (0.96 ** (t * decay)))
