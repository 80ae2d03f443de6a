"""Lion, LARS and LAMB, which PyTorch has not, beside the papers' formulas in plain Python."""

import math
from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import wrap
from tests.optim.samples import SAMPLES, make, parameter, rows

Vector = list[float]
OURS_ALONE = [sample for sample in SAMPLES if sample[0] in ("Lion", "LARS", "LAMB")]


def length(v: Vector) -> float:
    return math.sqrt(math.fsum(x * x for x in v))


def trust(above: float, below: float) -> float:
    return above / below if above > 0 and below > 0 else 1.0


class Lion:
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, group: dict[str, Any], n: int) -> None:
        self.lr, self.decay = group["lr"], group["weight_decay"]
        self.beta1, self.beta2 = group["betas"]
        self.m = [0.0] * n

    def step(self, w: Vector, g: Vector) -> Vector:
        c = [self.beta1 * m + (1 - self.beta1) * x for m, x in zip(self.m, g, strict=True)]
        self.m = [self.beta2 * m + (1 - self.beta2) * x for m, x in zip(self.m, g, strict=True)]
        signs = [(x > 0) - (x < 0) for x in c]
        return [x - self.lr * (s + self.decay * x) for x, s in zip(w, signs, strict=True)]


class LARS:
    """You et al. 2017, algorithm 1: `v` is the momentum, `rate` the local rate."""

    def __init__(self, group: dict[str, Any], n: int) -> None:
        self.lr, self.momentum = group["lr"], group["momentum"]
        self.decay, self.eta = group["weight_decay"], group["trust_coefficient"]
        self.v = [0.0] * n

    def step(self, w: Vector, g: Vector) -> Vector:
        rate = 1.0
        if self.eta is not None:
            rate = trust(self.eta * length(w), length(g) + self.decay * length(w))
        decayed = [x + self.decay * y for x, y in zip(g, w, strict=True)]
        self.v = [
            self.momentum * v + self.lr * rate * x for v, x in zip(self.v, decayed, strict=True)
        ]
        return [x - v for x, v in zip(w, self.v, strict=True)]


class LAMB:
    """You et al. 2020, algorithm 2."""

    def __init__(self, group: dict[str, Any], n: int) -> None:
        self.lr, self.decay, self.eps = group["lr"], group["weight_decay"], group["eps"]
        self.beta1, self.beta2 = group["betas"]
        self.m, self.v, self.t = [0.0] * n, [0.0] * n, 0

    def step(self, w: Vector, g: Vector) -> Vector:
        self.t += 1
        self.m = [self.beta1 * m + (1 - self.beta1) * x for m, x in zip(self.m, g, strict=True)]
        self.v = [self.beta2 * v + (1 - self.beta2) * x * x for v, x in zip(self.v, g, strict=True)]
        m_hat = [m / (1 - self.beta1**self.t) for m in self.m]
        v_hat = [v / (1 - self.beta2**self.t) for v in self.v]
        r = [m / (math.sqrt(v) + self.eps) for m, v in zip(m_hat, v_hat, strict=True)]
        u = [x + self.decay * y for x, y in zip(r, w, strict=True)]
        rate = self.lr * trust(length(w), length(u))
        return [x - rate * y for x, y in zip(w, u, strict=True)]


REFERENCES: dict[str, Any] = {"Lion": Lion, "LARS": LARS, "LAMB": LAMB}


@pytest.mark.parametrize(("name", "options"), OURS_ALONE)
def test_50_steps_are_those_of_the_formula(name: str, options: dict[str, Any]) -> None:
    start, *gradients = rows(11, 51, 24, "float64")
    weights = parameter(start.reshape(4, 6).copy())
    optimizer = make(name, options, weights)
    reference = REFERENCES[name](optimizer.param_groups[0], start.size)
    sign = -1 if options.get("maximize") else 1
    expected = start.tolist()
    for g in gradients:
        weights.grad = wrap(g.reshape(4, 6))
        optimizer.step()
        expected = reference.step(expected, (sign * g).tolist())
    np.testing.assert_allclose(weights._array.ravel(), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("name", "options"), OURS_ALONE)
def test_float32_stays_near_float64(name: str, options: dict[str, Any]) -> None:
    def run(dtype: str) -> Any:
        start, *gradients = rows(11, 21, 24, "float32")
        weights = parameter(start.astype(dtype))
        optimizer = make(name, options, weights)
        for g in gradients:
            weights.grad = wrap(g.astype(dtype))
            optimizer.step()
        return weights._array

    assert run("float32").dtype == np.float32
    np.testing.assert_allclose(run("float32"), run("float64"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["LARS", "LAMB"])
def test_weights_of_zero_can_be_left(name: str) -> None:
    weights = parameter(np.zeros(3, "float32"))
    weights.grad = wrap(np.ones(3, "float32"))
    make(name, {"lr": 0.5}, weights).step()
    assert (weights._array < 0).all()


@pytest.mark.parametrize("name", ["LARS", "LAMB"])
def test_every_tensor_has_a_rate_of_its_own(name: str) -> None:
    small, large = parameter(np.full(4, 0.01)), parameter(np.full(4, 100.0))
    optimizer = make(name, {"lr": 0.1, "weight_decay": 0}, small, large)
    before = small._array.copy(), large._array.copy()
    small.grad = large.grad = wrap(np.array([1.0, -2.0, 3.0, 4.0]))
    optimizer.step()
    change = [np.abs(p._array - b) for p, b in zip((small, large), before, strict=True)]
    np.testing.assert_allclose(change[1], change[0] * 1e4, rtol=0.1)


def test_a_group_without_trust_is_plain_momentum() -> None:
    start, *gradients = rows(11, 4, 24, "float64")
    ours, plain = parameter(start.copy()), parameter(start.copy())
    lars = optim.LARS([ours], lr=0.1, momentum=0.9, weight_decay=0.1, trust_coefficient=None)
    sgd = optim.SGD([plain], lr=0.1, momentum=0.9, weight_decay=0.1)
    for g in gradients:
        ours.grad, plain.grad = wrap(g), wrap(g)
        lars.step()
        sgd.step()
    np.testing.assert_allclose(ours._array, plain._array, rtol=1e-12)
