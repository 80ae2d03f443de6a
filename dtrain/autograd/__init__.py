"""The engine: Tensor, the op table, and the one graph walk."""

from dtrain.autograd.functions import tensor
from dtrain.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from dtrain.autograd.graph import backward, grad
from dtrain.autograd.op import OPS, Op, fused, op
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import Array, Value, enable_grad, is_grad_enabled, no_grad

__all__ = [
    "OPS",
    "Array",
    "GradcheckError",
    "Op",
    "Tensor",
    "Value",
    "backward",
    "enable_grad",
    "fused",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "is_grad_enabled",
    "no_grad",
    "op",
    "tensor",
]
