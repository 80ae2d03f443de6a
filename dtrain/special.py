# mypy: disable-error-code="no-any-return"
"""PyTorch's `special`: functions with a name of their own, most of them under two names."""

import math
from typing import Any

from dtrain.autograd import dtypes
from dtrain.autograd.functions import comparison
from dtrain.autograd.functions.binary import times_log, xlogy
from dtrain.autograd.functions.reduction import logsumexp
from dtrain.autograd.functions.softmax import log_softmax, softmax
from dtrain.autograd.functions.unary import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    log,
    log1p,
    logit,
    mvlgamma,
    polygamma,
    round,
    sigmoid,
    sinc,
)
from dtrain.autograd.functions.unary import lgamma as gammaln
from dtrain.autograd.ops import special as ops
from dtrain.autograd.tensor import Tensor

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p",
    "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma",
    "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

expit, psi, multigammaln = sigmoid, digamma, mvlgamma


def entr(input: Tensor) -> Tensor:
    """-x log(x), 0 at 0, -inf below."""
    if input.dtype.kind != "f":
        input = input.to(dtypes.default_dtype())
    below, zero = input < 0, input == 0
    safe = comparison.where(below | zero, 1.0, input)
    out = comparison.where(zero, 0.0, -input * log(safe))
    return comparison.where(below, -math.inf, out)


def xlog1py(input: Any, other: Any) -> Tensor:
    """input * log(1 + other), 0 where the input is 0, nan where other is nan."""
    return times_log(input, other, ops.xlog1py, "special_xlog1py")


def ndtr(input: Tensor) -> Tensor:
    """The share of a standard normal distribution below x: erfc(-x / sqrt(2)) / 2."""
    return erfc(input * -math.sqrt(0.5)) * 0.5


def ndtri(input: Tensor) -> Tensor:
    """The inverse of `ndtr`: sqrt(2) erfinv(2 x - 1)."""
    return erfinv(input * 2.0 - 1.0) * math.sqrt(2.0)
