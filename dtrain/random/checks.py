"""What PyTorch refuses to draw, in its words."""

from typing import Any

import numpy as np

from dtrain.autograd.value import Array

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def require_float(dtype: Any, what: str) -> None:
    """Raises NotImplementedError for dtypes in which there are no such numbers."""
    if np.dtype(dtype) not in FLOATS:
        raise NotImplementedError(f'"{what}" not implemented for {np.dtype(dtype).name!r}')


def require_continuous(dtype: Any, what: str) -> None:
    """Raises RuntimeError for integers."""
    if np.dtype(dtype).kind != "f":
        raise RuntimeError(
            f"{what} distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {np.dtype(dtype).name}"
        )


def require_range(low: float, high: float, dtype: Any) -> None:
    """For uniform numbers. Raises RuntimeError."""
    greatest = float(np.finfo(np.dtype(dtype)).max)
    for name, bound in (("from", low), ("to", high)):
        if not abs(bound) <= greatest:
            raise RuntimeError(f"{name} is out of bounds for {np.dtype(dtype).name}")
    if not low <= high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}"
        )
    if high - low > greatest:
        raise RuntimeError(
            f"uniform_ expects to-from <= {greatest}, but found to={high} and from={low} "
            "which result in to-from to exceed the limit"
        )


def require_integers(low: int, high: int, dtype: Any) -> tuple[int, int]:
    """The range [low, high) that a dtype can hold exactly. Raises RuntimeError where it is empty.

    A float dtype has not every integer: bounds that it has not are moved inwards.
    """
    _require_order(low, high)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        low, high = _rounded_up(low, kind), _rounded_down(high, kind)
        _require_order(low, high)
    else:
        _require_held(low, high, kind)
    return low, high


def require_integers_from(low: int, dtype: Any) -> tuple[int, int]:
    """The same from `low` up to the greatest integer below which a dtype has them all."""
    kind = np.dtype(dtype)
    high = integers(kind)[1] + 1
    if kind.kind == "f":
        low = _rounded_up(low, kind)
        _require_order(low, high)
    else:
        _require_held(low, high, kind)
    return low, high


def integers(kind: np.dtype[Any]) -> tuple[int, int]:
    """The least and the greatest up to which a dtype has all integers."""
    if kind.kind == "f":
        greatest = 1 << int(np.finfo(kind).nmant) + 1
        return -greatest, greatest
    if kind.kind == "b":
        return 0, 1
    return int(np.iinfo(kind).min), int(np.iinfo(kind).max)


def _require_held(low: int, high: int, kind: np.dtype[Any]) -> None:
    least, greatest = integers(kind)
    for name, bound in (("from", low), ("to - 1", high - 1)):
        if not least <= bound <= greatest:
            raise RuntimeError(f"{name} is out of bounds for {kind.name}")


def _require_order(low: int, high: int) -> None:
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )


def _rounded_up(low: int, kind: np.dtype[Any]) -> int:
    above = int(kind.type(low + 1))
    return low if above >= low else above + _gap(low + 1, kind)


def _rounded_down(high: int, kind: np.dtype[Any]) -> int:
    below = int(kind.type(high - 1))
    return high if below < high else below - _gap(high - 1, kind)


def _gap(integer: int, kind: np.dtype[Any]) -> int:
    """Between neighbouring numbers of a float dtype, there."""
    bits = abs(integer).bit_length() - np.finfo(kind).nmant - 1
    return 1 << max(bits, 0)


def require_positive(value: float, what: str, name: str) -> None:
    """Raises RuntimeError."""
    if not value > 0:
        raise RuntimeError(f"{what} expects {name} > 0.0, but found {name}={value}")


def require_std(std: float | Array) -> None:
    """Of normal numbers. Raises RuntimeError for a negative one."""
    if isinstance(std, np.ndarray):
        if std.size and not std.min() >= 0:
            raise RuntimeError("normal expects all elements of std >= 0.0")
    elif not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")


def require_probability(p: float | Array) -> None:
    """For bernoulli. Raises RuntimeError, for an array of integers NotImplementedError."""
    if isinstance(p, np.ndarray):
        require_float(p.dtype, "bernoulli_tensor_cpu_p_")
        if p.size and not (p.min() >= 0 and p.max() <= 1):
            raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    elif not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
