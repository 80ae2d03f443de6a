"""The engine: Tensor, the op table, and the one graph walk."""

from dtrain import absent
from dtrain.autograd import functional, functions
from dtrain.autograd.function import Function, once_differentiable
from dtrain.autograd.functions.creation import tensor
from dtrain.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from dtrain.autograd.graph import backward, grad
from dtrain.autograd.modes import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_anomaly_enabled,
    is_grad_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from dtrain.autograd.op import OPS, Op, fused, op
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.autograd.value import Array, Value
from dtrain.autograd.variable import Variable

__all__ = [
    "OPS",
    "Array",
    "Function",
    "GradcheckError",
    "Op",
    "Tensor",
    "Value",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "functions",
    "fused",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "no_grad",
    "once_differentiable",
    "op",
    "set_detect_anomaly",
    "set_grad_enabled",
    "tensor",
    "wrap",
]

absent.explain(__name__)
