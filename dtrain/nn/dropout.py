"""Dropout as modules."""

from dtrain.autograd.tensor import Tensor
from dtrain.nn import functional as F
from dtrain.nn.module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _Dropout(Module):
    """What they share. Raises ValueError for p outside of [0, 1]."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """See `functional.dropout`; does nothing in evaluation."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with elements left out, in training."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """See `functional.dropout1d`; does nothing in evaluation."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with channels left out, in training."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """See `functional.dropout2d`; does nothing in evaluation."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with channels left out, in training."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """See `functional.dropout3d`; does nothing in evaluation."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with channels left out, in training."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """See `functional.alpha_dropout`; does nothing in evaluation. `inplace` only shows in `repr`,
    as in PyTorch."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with elements at SELU's lower bound, in training."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """See `functional.feature_alpha_dropout`; does nothing in evaluation. `inplace` only shows in
    `repr`, as in PyTorch."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with channels at SELU's lower bound, in training."""
        return F.feature_alpha_dropout(input, self.p, self.training)
