"""Adam and AdamW."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from dtrain.autograd import Tensor
from dtrain.optim.arithmetic import decay_to_square, lerp, signed_and_decayed
from dtrain.optim.optimizer import Array, Group, Optimizer, Params, RateRule
from dtrain.optim.options import check_betas, check_not_negative, check_rate, number

Betas = tuple[float | Tensor, float | Tensor]


class Adam(Optimizer):
    """Adam, with weight decay added to the gradient (L2).

        g <- g + weight_decay w                     (-g first, if maximize)
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2              (u <- max(u, v) instead of v, if amsgrad)
        w <- w - lr / (1 - beta1^t) * m / ( sqrt(v) / sqrt(1 - beta2^t) + eps )

    With decoupled_weight_decay it is AdamW.

    Raises:  ValueError for a negative lr, eps or weight_decay, or a beta outside [0, 1); see
             `options.check_execution` for foreach, capturable, differentiable, fused.
    Source:  torch.optim.Adam (2.13), single-tensor path, operation by operation;
             Kingma and Ba 2015, algorithm 1; Reddi et al. 2018 for amsgrad.
    """

    rate_rule: ClassVar[RateRule] = "sqrt"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        _check_tensors(lr, betas, foreach and not capturable)
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        moments = ("exp_avg", "exp_avg_sq")
        return (*moments, "max_exp_avg_sq") if group["amsgrad"] else moments

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        beta1, beta2 = map(number, group["betas"])
        w = signed_and_decayed(w, g, out, group)
        m, v = slots["exp_avg"], slots["exp_avg_sq"]
        lerp(m, g, 1 - beta1)
        decay_to_square(v, g, beta2)
        if group["amsgrad"]:
            v = np.maximum(slots["max_exp_avg_sq"], v, out=slots["max_exp_avg_sq"])
        denominator = np.sqrt(v, out=g)
        denominator /= (1 - beta2**t) ** 0.5
        denominator += number(group["eps"])
        change = -(number(group["lr"]) / (1 - beta1**t)) * m
        change /= denominator
        np.add(w, change, out=out)


class AdamW(Adam):
    """Adam with decoupled weight decay: w <- (1 - lr weight_decay) w before Adam's change of w.

    Source:  torch.optim.AdamW (2.13); Loshchilov and Hutter 2019, algorithm 2.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:  # as in PyTorch: a state saved by Adam does not undo it
            group["decoupled_weight_decay"] = True


def _check_tensors(lr: Any, betas: Any, foreach: bool | None) -> None:
    """Which options may be tensors together, as PyTorch has it."""
    if len({isinstance(beta, Tensor) for beta in betas}) > 1 or not all(
        isinstance(beta, float | Tensor) for beta in betas
    ):
        raise ValueError("betas must be either both floats or both Tensors")
    named = {"lr": lr, "betas[0]": betas[0], "betas[1]": betas[1]}
    for name, option in named.items():
        if foreach and isinstance(option, Tensor):
            raise ValueError(
                f"{name} as a Tensor is not supported for capturable=False and foreach=True"
            )
