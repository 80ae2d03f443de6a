# mypy: disable-error-code="no-any-return"
"""Variances and standard deviations over dimensions."""

import builtins
from typing import Any

from dtrain.autograd.functions import comparison
from dtrain.autograd.functions.arguments import Dim, dims_of
from dtrain.autograd.functions.reduction import count_along, halves_widened, require_float
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import elementwise, reduce
from dtrain.autograd.tensor import Tensor

__all__ = [
    "corrcoef", "cov", "std", "std_mean", "var", "var_mean",
]  # fmt: skip


def _unbiased(dim: Dim | bool, unbiased: Any, correction: Any) -> tuple[Dim, float]:
    """PyTorch's older form var(x, unbiased) and var(x, dim, unbiased) in the terms of its newer."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = 1 if unbiased else 0
    return dim, 1 if correction is None else correction


@public()
def var_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False,
    *, correction: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Variance and mean over dimensions: squares over (number - correction), by default 1."""
    require_float(input, "var_mean")
    dim, less = _unbiased(dim, unbiased, correction)
    return _var_mean(input, dims_of(dim, input.ndim), less, keepdim)


@halves_widened
def _var_mean(
    input: Tensor, axes: tuple[int, ...] | None, less: float, keepdim: bool
) -> tuple[Tensor, Tensor]:
    center = reduce.mean(input, axis=axes, keepdims=True)
    away = input - center
    squares = reduce.sum_(away * away, axis=axes, keepdims=keepdim)
    spread = squares / builtins.max(0.0, float(count_along(input, axes) - less))
    means = center if keepdim else center.reshape(spread._array.shape)
    return spread, means


@public()
def var(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False,
    *, correction: Any = None,
) -> Tensor:  # fmt: skip
    """Variance over dimensions: squares over (number - correction), by default 1."""
    require_float(input, "var")
    return var_mean(input, dim, unbiased, keepdim, correction=correction)[0]


@public()
def std(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False,
    *, correction: Any = None,
) -> Tensor:  # fmt: skip
    """Square root of the variance; its gradient is 0 where that is 0."""
    require_float(input, "std")
    return root(var_mean(input, dim, unbiased, keepdim, correction=correction)[0])


@public()
def std_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False,
    *, correction: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Standard deviation and mean over dimensions."""
    spread, center = var_mean(input, dim, unbiased, keepdim, correction=correction)
    return root(spread), center


def root(squares: Tensor) -> Tensor:
    """Square root with gradient 0 at 0."""
    zero = squares.detach() == 0
    if not zero._array.any():
        return elementwise.sqrt(squares)
    return comparison.where(zero, 0.0, elementwise.sqrt(comparison.where(zero, 1.0, squares)))


@public()
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Covariances of the rows, whose columns are observations; these are counted `fweights` times
    and weighted by `aweights`."""
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    rows = input.reshape(1, -1) if input.ndim < 2 else input
    weight = _weights(rows._array.shape[1], fweights, aweights)
    if weight is None:
        count: Any = rows._array.shape[1]
        away = rows - rows.sum(1, keepdim=True) / count
        products = away @ away.T
        less: Any = correction
    else:
        count = weight.sum()
        away = rows - (rows * weight).sum(1, keepdim=True) / count
        products = (away * weight) @ away.T
        less = correction if aweights is None else correction * (weight * aweights).sum() / count
    left = count - less
    return (products / (builtins.max(left, 0) if weight is None else left.clamp(min=0))).squeeze()


def _weights(count: int, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, each in (("fweights", fweights), ("aweights", aweights)):
        if each is None:
            continue
        if each.ndim > 1 or each.numel() != count:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the "
                f"input but got {each.numel()} != {count}"
            )
        if (each._array < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
        if (name == "fweights") == (each._array.dtype.kind == "f"):
            kind = "integral" if name == "fweights" else "floating point"
            raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {each.dtype}")
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return fweights * aweights


@public()
def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation coefficients of the rows, between -1 and 1."""
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    products = cov(input)
    if not products.ndim:
        return products / products
    spread = products.diagonal().sqrt()
    return (products / spread.unsqueeze(1) / spread).clamp(-1, 1)
