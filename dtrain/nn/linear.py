"""Linear."""

import math
from typing import Any

import numpy as np

from dtrain import random
from dtrain.autograd.dtypes import default_float
from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn.module import Module
from dtrain.nn.parameter import Parameter

__all__ = ["Linear"]


class Linear(Module):
    """y = x @ weight.T + bias.

    Shapes:  x (..., in_features);  weight (out_features, in_features);  bias (out_features).
    Starts from PyTorch's numbers: both uniform in +-1/sqrt(in_features), weight drawn first.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(np.zeros((out_features, in_features), dtype or default_float))
        self.register_parameter(
            "bias", Parameter(np.zeros(out_features, dtype or default_float)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew from the default generator.

        Source: He et al. 2015 with a = sqrt(5); computed in PyTorch's order, for the last bit.
        """
        if self.in_features:
            gain = math.sqrt(2.0 / (1 + math.sqrt(5) ** 2))
            _draw(self.weight, math.sqrt(3.0) * (gain / math.sqrt(self.in_features)))
        if self.bias is not None:
            _draw(self.bias, 1 / math.sqrt(self.in_features) if self.in_features else 0.0)

    def forward(self, input: Tensor) -> Tensor:
        """The product, plus the bias."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def _draw(parameter: Parameter, bound: float) -> None:
    parameter._array[...] = random.default_generator.uniform(
        parameter.shape, -bound, bound, parameter.dtype
    )
