"""Layers and containers."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dtrain import random
from dtrain.autograd.dtypes import default_float
from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn.module import Module
from dtrain.nn.parameter import Parameter


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


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.relu`."""
        return F.relu(input)


class Tanh(Module):
    """Hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.tanh`."""
        return F.tanh(input)


class Sigmoid(Module):
    """1 / (1 + e ** -x)."""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.sigmoid`."""
        return F.sigmoid(input)


class Flatten(Module):
    """Dimensions start_dim ... end_dim joined into one; by default all but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """See `Tensor.flatten`."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Sequential(Module):
    """Modules one after the other, given as arguments or in a mapping with their names."""

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        named: Any = enumerate(modules)
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = modules[0].items()
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        """The input through one module after the other."""
        for module in self:
            input = module(input)
        return input

    def append(self, module: Module) -> "Sequential":
        """Put a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return (module for module in self._modules.values() if module is not None)

    def __getitem__(self, index: int | slice) -> Any:
        modules = list(self._modules.items())
        if isinstance(index, slice):
            chosen: dict[str, Any] = dict(modules[index])
            return Sequential(chosen)
        return modules[index][1]


class CrossEntropyLoss(Module):
    """See `functional.cross_entropy`."""

    def __init__(self, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__()
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of class scores for labels."""
        return F.cross_entropy(
            input, target, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(Module):
    """See `functional.mse_loss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of predictions for targets."""
        return F.mse_loss(input, target, reduction=self.reduction)
