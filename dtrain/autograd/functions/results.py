"""What functions of several outputs return: named tuples that print as PyTorch's."""

from typing import Any, NamedTuple

from dtrain.autograd.tensor import Tensor


class Ordered(NamedTuple):
    """Chosen elements, and where they were."""

    values: Tensor
    indices: Tensor


class Range(NamedTuple):
    """The least and the greatest."""

    min: Tensor
    max: Tensor


class Parts(NamedTuple):
    """Fractions from 1/2 up, and the powers of 2 they are times."""

    mantissa: Tensor
    exponent: Tensor


def _named(name: str, base: type) -> Any:
    def show(self: Any) -> str:
        fields = ",\n".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"torch.return_types.{name}(\n{fields})"

    return type(name, (base,), {"__slots__": (), "__repr__": show, "__doc__": base.__doc__})


sort, topk, kthvalue = (_named(name, Ordered) for name in ("sort", "topk", "kthvalue"))
median, nanmedian, mode = (_named(name, Ordered) for name in ("median", "nanmedian", "mode"))
cummax, cummin = _named("cummax", Ordered), _named("cummin", Ordered)
max, min = _named("max", Ordered), _named("min", Ordered)
aminmax = _named("aminmax", Range)
frexp = _named("frexp", Parts)
