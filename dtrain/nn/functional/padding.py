# mypy: disable-error-code="no-any-return"
"""Elements put around a tensor, or taken away."""

from collections.abc import Callable, Sequence

import numpy as np

from dtrain.autograd.ops.pad import pad_constant
from dtrain.autograd.ops.resample import gather, resample
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import Array


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Elements put around a tensor, or taken away where a number is negative.

    `pad` has two numbers for each axis, before and after, the last axis first. Modes: "constant"
    (`value`, 0 by default, any number of axes), "reflect" (mirrored at the outermost element),
    "replicate" (the outermost element), "circular" (the other end); these three take the last 1, 2
    or 3 axes of a tensor that has one or two more.
    Raises:  RuntimeError for sizes that cannot be; NotImplementedError for a mode or a number of
             axes that PyTorch does not know either.
    """
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {input.ndim}"
        )
    pads = [(int(pad[at]), int(pad[at + 1])) for at in range(len(pad) - 2, -1, -2)]
    if mode == "constant":
        return _constant(input, pads, 0.0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in _SOURCES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if len(pads) not in (1, 2, 3) or input.ndim - len(pads) not in (1, 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor: the modes "
            "other than constant pad the last 1, 2 or 3 of one or two dimensions more"
        )
    return _extend(input, pads, mode)


def _constant(input: Tensor, pads: list[tuple[int, int]], value: float) -> Tensor:
    every = (*[(0, 0)] * (input.ndim - len(pads)), *pads)
    for size, (before, after) in zip(input.shape, every, strict=True):
        if min(before, 0) + min(after, 0) < -size:
            raise RuntimeError(
                f"padding ({before}, {after}) takes more than there is of an axis of size {size}"
            )
    return pad_constant(input, pads=every, value=value)


def _extend(input: Tensor, pads: list[tuple[int, int]], mode: str) -> Tensor:
    lead = input.ndim - len(pads)
    if mode != "circular" and 0 in input.shape[lead - 1 :]:
        raise RuntimeError(
            "Expected a tensor with possibly 0 batch size and other non-zero dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    out = input
    for axis in range(input.ndim - 1, lead - 1, -1):
        before, after = pads[axis - lead]
        size = input.shape[axis]
        _check_extent(mode, size, before, after)
        table = gather(_SOURCES[mode](size, before, after)[None], size)
        out = resample(out, axis=axis, table=table)
    return out


def _check_extent(mode: str, size: int, before: int, after: int) -> None:
    if mode == "reflect" and max(before, after) >= size:
        raise RuntimeError(
            "Padding size should be less than the corresponding input dimension, but got: padding "
            f"({before}, {after}) for a dimension of size {size}"
        )
    if mode == "circular" and max(before, after) > size + min(before, 0) + min(after, 0):
        raise RuntimeError("Padding value causes wrapping around more than once.")
    least = 0 if mode == "circular" else 1
    if size + before + after < least:
        raise RuntimeError(
            f"input (size: {size}) is too small. Calculated output size: {size + before + after}"
        )


def _reflect(size: int, before: int, after: int) -> Array:
    at = np.arange(-before, size + after)
    return (size - 1) - np.abs((size - 1) - np.abs(at))


def _replicate(size: int, before: int, after: int) -> Array:
    return np.clip(np.arange(-before, size + after), 0, size - 1)


def _circular(size: int, before: int, after: int) -> Array:
    """What is taken away is gone before the rest is repeated."""
    kept = size + min(before, 0) + min(after, 0)
    at = np.arange(-max(before, 0), kept + max(after, 0))
    return max(-before, 0) + at % max(kept, 1)


_SOURCES: dict[str, Callable[[int, int, int], Array]] = {
    "reflect": _reflect,
    "replicate": _replicate,
    "circular": _circular,
}
