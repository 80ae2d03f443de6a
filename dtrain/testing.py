"""torch.testing: whether results are close enough."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dtrain.autograd.tensor import Tensor

__all__ = ["assert_close"]

_TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    msg: str | None = None,
    **ignored: Any,
) -> None:
    """|actual - expected| <= atol + rtol * |expected|, for tensors, numbers, sequences and dicts.

    The tolerances are PyTorch's for the lesser dtype: 1.3e-6 and 1e-5 for float32, 1e-7 twice for
    float64, 0 for integers. Raises AssertionError for other values, shapes, dtypes or lengths.
    """
    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan, "msg": msg}
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            raise AssertionError(msg or "The keys of the mappings do not match.")
        for key in actual:
            assert_close(actual[key], expected[key], check_dtype=check_dtype, **options)
    elif isinstance(actual, Sequence) and isinstance(expected, Sequence):
        if len(actual) != len(expected):
            raise AssertionError(
                msg or f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            )
        for one, other in zip(actual, expected, strict=True):
            assert_close(one, other, check_dtype=check_dtype, **options)
    else:
        _arrays_close(_array(actual), _array(expected), check_dtype, **options)


def _array(value: Any) -> Any:
    return value._array if isinstance(value, Tensor) else np.asarray(value)


def _arrays_close(
    actual: Any, expected: Any, check_dtype: bool, rtol: Any, atol: Any, equal_nan: bool, msg: Any
) -> None:
    if actual.shape != expected.shape:
        raise AssertionError(
            msg
            or "The values for attribute 'shape' do not match: "
            f"{list(actual.shape)} != {list(expected.shape)}."
        )
    if check_dtype and actual.dtype != expected.dtype:
        raise AssertionError(
            msg
            or "The values for attribute 'dtype' do not match: "
            f"torch.{actual.dtype} != torch.{expected.dtype}."
        )
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    pairs = [_TOLERANCES.get(each.dtype.name, (0.0, 0.0)) for each in (actual, expected)]
    relative, absolute = (max(each) for each in zip(*pairs, strict=True))
    relative, absolute = (relative, absolute) if rtol is None else (rtol, atol)
    close = np.isclose(actual, expected, relative, absolute, equal_nan)
    if not close.all():
        off = np.abs(np.asarray(actual, float) - np.asarray(expected, float))
        raise AssertionError(
            msg
            or f"Tensor-likes are not close!\n\nMismatched elements: {np.sum(~close)} / "
            f"{close.size}\nGreatest absolute difference: {np.nanmax(off)} (up to {absolute} "
            f"allowed, or {relative} of the expected value)"
        )
