# mypy: disable-error-code="no-any-return"
"""The same image with more or fewer pixels."""

import warnings
from collections.abc import Sequence
from math import floor
from typing import Any

import numpy as np

from dtrain.autograd.ops.resample import resample
from dtrain.autograd.tensor import Tensor
from dtrain.nn.functional import grids, pooling


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The same image with more or fewer pixels, to a `size` or by a `scale_factor`.

    Shapes:  input (n, c, ...) with one, two or three more axes;  result the same, of that size.
    Modes:   "nearest", "nearest-exact", "area" for any of them; "linear" for one, "bilinear" and
             "bicubic" for two, "trilinear" for three more axes. The last four take `align_corners`
             (the outermost pixels coincide in their centres); "bilinear", "bicubic" and "lanczos"
             take `antialias`.
    `recompute_scale_factor` goes by the sizes, instead of the factor as it was given.
    Raises:  ValueError for arguments that do not go together; NotImplementedError for a mode and a
             number of axes that do not; RuntimeError for sizes of zero.
    """
    if mode in _UNALIGNED and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear "
            "| bicubic | trilinear"
        )
    outs, factors = _target(input, size, scale_factor, recompute_scale_factor or mode == "area")
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if antialias and not (mode in grids.FILTERS and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )
    if mode == "lanczos" and input.ndim == 4 and (align_corners or not antialias):
        raise ValueError("Lanczos mode requires antialias=True and align_corners=False")
    if input.ndim not in _MODES.get(mode, ()):
        raise NotImplementedError(f"Got {input.ndim}D input, which mode {mode!r} does not take")
    if mode == "area":
        names = ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
        return getattr(pooling, names[input.ndim - 3])(input, outs)
    _check_sizes(input, outs)
    corners = bool(align_corners)
    dtype: Any = np.dtype(input.dtype).type
    out = input
    for axis in range(input.ndim - 1, 1, -1):
        span = (input.shape[axis], outs[axis - 2], factors[axis - 2])
        if mode in _UNALIGNED:
            table = grids.nearest(*span, mode == "nearest-exact")
        elif antialias:
            table = grids.smooth(mode, *span, corners, dtype)
        else:
            table = (grids.cubic if mode == "bicubic" else grids.linear)(*span, corners, dtype)
        out = resample(out, axis=axis, table=table)
    return out


_UNALIGNED = ("nearest", "nearest-exact", "area")
_MODES = {
    "nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "area": (3, 4, 5), "linear": (3,),
    "bilinear": (4,), "bicubic": (4,), "lanczos": (4,), "trilinear": (5,),
}  # fmt: skip


def _target(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool
) -> tuple[list[int], list[float | None]]:
    """The sizes, and for each axis the factor to go by; None: the quotient of the sizes."""
    ndim = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError(
            "either size or scale_factor should be defined"
            if size is None
            else "only one of size or scale_factor should be defined"
        )
    given = scale_factor if size is None else size
    each = list(given) if isinstance(given, Sequence) else [given] * ndim
    if len(each) != ndim:
        raise ValueError(
            f"{'scale_factor' if size is None else 'size'} must have one value for each of the "
            f"{ndim} spatial dimensions of {list(input.shape)}, but got {given}"
        )
    if size is not None:
        if not all(isinstance(value, int | np.integer) for value in each):
            raise TypeError(f"expected size to be one of int or tuples of int, but got {given}")
        return [int(value) for value in each], [None] * ndim
    outs = [floor(old * float(new)) for old, new in zip(input.shape[2:], each, strict=True)]
    return outs, [None] * ndim if recompute else [float(value) for value in each]


def _check_sizes(input: Tensor, outs: list[int]) -> None:
    if 0 in input.shape[1:] or min(outs) < 1:
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{list(input.shape)} and output {outs}"
        )


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate`, by its former name."""
    return _former("upsample", input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "nearest", by its former name."""
    return _former("upsample_nearest", input, size, scale_factor, "nearest", None)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "bilinear" and aligned corners, by its former name."""
    return _former("upsample_bilinear", input, size, scale_factor, "bilinear", True)


def _former(name: str, input: Tensor, *args: Any) -> Tensor:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )
    return interpolate(input, *args)
