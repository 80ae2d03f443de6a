"""Adam and AdamW."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dtrain.optim.optimizer import Array, Group, Optimizer, Params, check_decay, check_rate


class Adam(Optimizer):
    """Adam, with weight decay added to the gradient (L2).

        g <- g + weight_decay w                     (-g first, if maximize)
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2              (u <- max(u, v) instead of v, if amsgrad)
        w <- w - lr / (1 - beta1^t) * m / ( sqrt(v) / sqrt(1 - beta2^t) + eps )

    Raises:  ValueError for a negative lr, eps or weight_decay, or a beta outside [0, 1).
    Source:  torch.optim.Adam (2.13), single-tensor path, operation by operation;
             Kingma and Ba 2015, algorithm 1; Reddi et al. 2018 for amsgrad.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_rate(lr)
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        check_decay(weight_decay)
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def slots(self, group: Group) -> tuple[str, ...]:
        moments = ("exp_avg", "exp_avg_sq")
        return (*moments, "max_exp_avg_sq") if group["amsgrad"] else moments

    def update(
        self, w: Array, g: Array, out: Array, slots: dict[str, Array], t: int, group: Group
    ) -> None:
        lr, (beta1, beta2) = float(group["lr"]), group["betas"]
        w = _with_decay(w, g, out, group)
        m, v = slots["exp_avg"], slots["exp_avg_sq"]
        _lerp(m, g, 1 - beta1)
        v *= beta2
        v += (1 - beta2) * g * g  # from left to right, as addcmul does
        if group["amsgrad"]:
            v = np.maximum(slots["max_exp_avg_sq"], v, out=slots["max_exp_avg_sq"])
        denominator = np.sqrt(v, out=g)
        denominator /= (1 - beta2**t) ** 0.5
        denominator += group["eps"]
        change = -(lr / (1 - beta1**t)) * m
        change /= denominator
        np.add(w, change, out=out)


class AdamW(Adam):
    """Adam with decoupled weight decay: w <- (1 - lr weight_decay) w before Adam's change of w.

    Source:  torch.optim.AdamW (2.13); Loshchilov and Hutter 2019, algorithm 2.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:  # as in PyTorch: a state saved by Adam does not undo it
            group["decoupled_weight_decay"] = True


def _with_decay(w: Array, g: Array, out: Array, group: Group) -> Array:
    """Sign and weight decay: changes `g` in place, returns the weights to step from."""
    decay = group["weight_decay"]
    if group["maximize"]:
        np.negative(g, out=g)
    if decay == 0:
        return w
    if group["decoupled_weight_decay"]:
        np.multiply(w, 1 - float(group["lr"]) * decay, out=out)
        return out
    g += decay * w
    return w


def _lerp(start: Array, end: Array, weight: float) -> None:
    """start <- start + weight (end - start), in place, in whichever form is exact at its end."""
    distance = end - start
    if weight < 0.5:
        distance *= weight
        start += distance
    else:
        distance *= 1 - weight
        np.subtract(end, distance, out=start)
