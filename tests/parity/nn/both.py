"""The same call in dtrain and in PyTorch: results, gradients, random numbers, errors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from dtrain import nn, random
from dtrain.autograd import Tensor, tensor, wrap

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

DTYPES = ["float32", "float64"]
TOLERANCE: dict[str, dict[str, float]] = {
    "float32": {"rtol": 2e-5, "atol": 2e-6},
    "float64": {"rtol": 1e-11, "atol": 1e-13},
}


def inputs(*values: Any, dtype: str) -> tuple[list[Any], list[Any]]:
    """Leaves of both libraries: floats are cast and require a gradient, strides are kept."""
    ours, theirs = [], []
    for value in values:
        if not isinstance(value, np.ndarray):
            ours.append(value)
            theirs.append(value)
        elif value.dtype.kind == "f":
            array = value.astype(dtype)  # keeps the order of axes in memory
            ours.append(wrap(array).requires_grad_())
            theirs.append(torch.from_numpy(array).requires_grad_())
        else:
            ours.append(tensor(value))
            theirs.append(torch.tensor(value))
    return ours, theirs


def assert_same(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    values: Sequence[Any],
    dtype: str,
    **tolerance: float,
) -> None:
    """The same results, shapes, dtypes and gradients of the inputs."""
    mine, other = inputs(*values, dtype=dtype)
    backward(ours(*mine), theirs(*other), dtype, **tolerance)
    for one, two in zip(mine, other, strict=True):
        if isinstance(one, Tensor) and one.requires_grad:
            assert_gradient(one, two, dtype, **tolerance)


def backward(mine: Any, other: Any, dtype: str, **tolerance: float) -> None:
    """Compare results, then send the same gradients down from them."""
    draws = np.random.default_rng(5)
    total: Any = 0.0
    expected: Any = 0.0
    for one, two in zip(flat(mine), flat(other), strict=True):
        assert tuple(one.shape) == tuple(two.shape)
        assert one._array.dtype == two.detach().numpy().dtype
        assert_close(one, two, dtype, **tolerance)
        assert one.requires_grad == two.requires_grad
        weight = draws.normal(size=tuple(one.shape)).astype(one._array.dtype)
        if one.requires_grad:
            total = total + (one * tensor(weight)).sum()
            expected = expected + (two * torch.tensor(weight)).sum()
    if isinstance(total, Tensor):
        total.backward()
        expected.backward()


def assert_gradient(mine: Any, other: Any, dtype: str, **tolerance: float) -> None:
    assert (mine.grad is None) == (other.grad is None)
    if mine.grad is not None:
        assert_close(mine.grad, other.grad, dtype, **tolerance)


def assert_close(mine: Any, other: Any, dtype: str, **tolerance: float) -> None:
    np.testing.assert_allclose(
        mine.detach().numpy(), other.detach().numpy(), **(TOLERANCE[dtype] | tolerance)
    )


def assert_same_module(mine: Any, other: Any, dtype: str, **tolerance: float) -> None:
    """The same parameters with the same gradients, and the same buffers."""
    assert [name for name, _ in mine.named_parameters()] == [
        name for name, _ in other.named_parameters()
    ]
    for one, two in zip(mine.parameters(), other.parameters(), strict=True):
        assert_gradient(one, two, dtype, **tolerance)
    state, expected = mine.state_dict(), other.state_dict()
    assert list(state) == list(expected)
    for name in expected:
        assert_close(state[name], expected[name], dtype, **tolerance)


def modules(name: str, *args: Any, seed: int = 7, **options: Any) -> tuple[Any, Any]:
    """The same module twice, from the same seed; the seed is set again for what follows."""
    seeded(seed)
    mine = getattr(nn, name)(*args, **options)
    if "dtype" in options:
        options["dtype"] = getattr(torch, options["dtype"])
    other = getattr(torch.nn, name)(*args, **options)
    seeded(seed + 1)
    return mine, other


def seeded(seed: int) -> None:
    random.manual_seed(seed)
    torch.manual_seed(seed)


def assert_same_error(ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    """Both raise, and errors of one class."""
    with pytest.raises(Exception) as other:  # noqa: PT011
        theirs()
    with pytest.raises(type(other.value)):
        ours()


def flat(value: Any) -> list[Any]:
    """Tensors out of nested tuples and lists."""
    return [each for part in value for each in flat(part)] if isinstance(value, tuple) else [value]
