"""Linear, Bilinear, Identity."""

import math
from typing import Any

from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn import init
from dtrain.nn.functional.bilinear import bilinear
from dtrain.nn.module import Module
from dtrain.nn.parameter import fresh

__all__ = ["Bilinear", "Identity", "Linear"]


class Identity(Module):
    """Its input; arguments of the constructor mean nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """The input itself."""
        return input


class Linear(Module):
    """y = x @ weight.T + bias.

    Shapes:  x (..., in_features);  weight (out_features, in_features);  bias (out_features).
    Starts from PyTorch's numbers: both uniform in +-1/sqrt(in_features), weight drawn first.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = fresh((out_features, in_features), device, dtype)
        self.register_parameter("bias", fresh((out_features,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew from the default generator. Source: He et al. 2015."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """The product, plus the bias."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """y[o] = x1 @ weight[o] @ x2 + bias[o].

    Shapes:  x1 (..., in1_features);  x2 (..., in2_features);
             weight (out_features, in1_features, in2_features);  bias (out_features).
    Starts from PyTorch's numbers: both uniform in +-1/sqrt(in1_features), weight drawn first.
    Raises:  ValueError unless in1_features > 0.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        self.weight = fresh((out_features, in1_features, in2_features), device, dtype)
        self.register_parameter("bias", fresh((out_features,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew from the default generator."""
        if self.in1_features <= 0:
            raise ValueError(
                f"in1_features must be > 0, but got (in1_features={self.in1_features})"
            )
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """See `functional.bilinear`."""
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
