"""Products of matrices. Operands reach BLAS in one layout, so bits depend on values and shapes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import canonical
from dtrain.autograd.op import fused, op
from dtrain.autograd.ops.promotion import KINDS
from dtrain.autograd.ops.shape import permute
from dtrain.autograd.value import Array


def _for_blas(values: list[Any]) -> list[Any]:
    return [plain(value) for value in values]


def plain(x: Array) -> Array:
    """C order, and the usual strides along axes of size 1 too, by which NumPy picks its kernel."""
    x = canonical(x)
    return x.reshape(-1).reshape(x.shape) if 1 in x.shape else x


def _left(g: Any, b: Any, ta: bool, tb: bool) -> Any:
    return matmul(b, g, ta=tb, tb=True) if ta else matmul(g, b, tb=not tb)


def _right(g: Any, a: Any, ta: bool, tb: bool) -> Any:
    return matmul(g, a, ta=True, tb=ta) if tb else matmul(a, g, ta=not ta)


@op(prepare=_for_blas, a=_left, b=_right)
def matmul(a: Array, b: Array, *, ta: bool = False, tb: bool = False) -> Any:
    """a @ b over the last two axes, the others broadcast; `ta`, `tb` transpose an operand first.

    Shapes:  a (..., n, k), or (..., k, n) with ta;  b (..., k, m), or (..., m, k) with tb;
             result (..., n, m).
    """
    return (a.mT if ta else a) @ (b.mT if tb else b)


mm, bmm = matmul.called("MmBackward0"), matmul.called("BmmBackward0")


def _linear_formula(x: Any, weight: Any, bias: Any = None) -> Any:
    flat = x.reshape(-1, x.shape[-1])
    out = matmul(flat, permute(weight, axes=(1, 0))).reshape(*x.shape[:-1], weight.shape[0])
    return out if bias is None else out + bias


@fused("x", "weight", "bias", formula=_linear_formula, unsaved=["bias"], label="Addmm")
def linear(x: Array, weight: Array, bias: Array | None = None) -> tuple[Array, Any]:
    """x @ weight.T + bias.

    Shapes:  x (..., k);  weight (m, k);  bias (m) or None;  result (..., m).
    Raises:  RuntimeError if the shapes above do not hold or dtypes differ, as PyTorch does.
    """
    _check_linear(x, weight, bias)
    flat_nk, weight = plain(x).reshape(-1, weight.shape[1]), plain(weight)
    out_nm = _product(flat_nk, weight, bias)

    def backward(g: Array, needs: Sequence[bool]) -> tuple[Array | None, ...]:
        g_nm = plain(g).reshape(-1, weight.shape[0])
        return (
            (g_nm @ weight).reshape(x.shape) if needs[0] else None,
            g_nm.T @ flat_nk if needs[1] else None,
            g_nm.sum(axis=0) if len(needs) > 2 and needs[2] else None,
        )

    return out_nm.reshape(*x.shape[:-1], weight.shape[0]), backward


def _product(x_nk: Array, weight_mk: Array, bias_m: Array | None) -> Array:
    """x @ weight.T + bias in C order. For few rows OpenBLAS is up to 1.3 times as fast the other
    way round, weight @ x.T, even with the copy that turns it back."""
    if 4 * len(x_nk) > len(weight_mk):
        out_nm = x_nk @ weight_mk.T
        if bias_m is not None:
            out_nm += bias_m
        return out_nm
    out_mn = weight_mk @ x_nk.T
    return np.ascontiguousarray(out_mn.T) if bias_m is None else np.add(out_mn.T, bias_m, order="C")


def _check_linear(x: Array, weight: Array, bias: Array | None) -> None:
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        rows = x.shape if x.ndim == 2 else (int(np.prod(x.shape[:-1])), *x.shape[-1:])
        raise RuntimeError(
            "mat1 and mat2 shapes cannot be multiplied "
            f"({'x'.join(map(str, rows))} and {'x'.join(map(str, weight.shape[::-1]))})"
        )
    if x.dtype != weight.dtype or (bias is not None and bias.dtype != weight.dtype):
        raise RuntimeError(
            "mat1 and mat2 must have the same dtype, but got "
            f"{KINDS[x.dtype.name]} and {KINDS[weight.dtype.name]}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"a bias of shape {bias.shape} does not fit {weight.shape[0]} outputs")
