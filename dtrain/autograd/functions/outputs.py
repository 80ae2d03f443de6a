"""`out=`: a result that is written into tensors of the caller's."""

import warnings
from collections.abc import Sequence
from typing import Any

from dtrain.autograd.inplace import require_castable, write
from dtrain.autograd.modes import MODE
from dtrain.autograd.value import Value


def into(out: Any, result: Any, who: str) -> Any:
    """Write a result, or each of several, into `out`, which is returned.

    A tensor of another shape is given the result's; PyTorch warns of that if it had elements.
    Raises RuntimeError for a dtype that the result cannot be cast to, and where a gradient is asked
    for: PyTorch records nothing here; TypeError for what is no tensor.
    """
    if isinstance(result, Value):
        _write(out, result, who)
        return out
    if not isinstance(out, Sequence) or len(out) != len(result):
        raise TypeError(f"{who}(): argument 'out' must be a tuple of {len(result)} Tensors")
    for one, each in zip(out, result, strict=True):
        _write(one, each, who)
    return result._make(out) if hasattr(result, "_make") else tuple(out)


def _write(out: Any, result: Value, who: str) -> None:
    if not isinstance(out, Value):
        raise TypeError(f"{who}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if MODE.enabled and (out.wants_grad() or result.wants_grad()):
        raise RuntimeError(
            f"{who}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    require_castable(result._array.dtype, out._array.dtype)
    if out._array.shape == result._array.shape:
        write(out._array, result._array)
    else:
        if out._array.size:
            warnings.warn(
                "An output with one or more elements was resized since it had shape "
                f"{list(out._array.shape)}, which does not match the required output shape "
                f"{list(result._array.shape)}. This behavior is deprecated.",
                stacklevel=5,
            )
        out._array = result._array.astype(out._array.dtype)
    out._bump()
