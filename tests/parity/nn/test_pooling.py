"""Pooling against PyTorch's: values, places, gradients, errors, over drawn windows."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor
from dtrain.nn import functional as F
from tests.parity.nn.both import DTYPES, assert_same, assert_same_error, torch

T = torch.nn.functional
rng = np.random.default_rng(9)


def windows(ndim: int, count: int) -> list[Any]:
    """Drawn kernels, strides and paddings, with ceil_mode on and off."""
    found = []
    for at in range(count):
        kernel = rng.integers(1, 4, ndim)
        padding = rng.integers(0, kernel // 2 + 1)
        found.append((kernel.tolist(), rng.integers(1, 4, ndim).tolist(), padding.tolist(), at % 2))
    return found


def image(ndim: int, kind: str) -> Any:
    shape = (2, 3, 7, 6, 5)[: ndim + 2] if kind != "alone" else (3, 7, 6, 5)[: ndim + 1]
    x = rng.normal(size=shape)
    match kind:
        case "ties":
            return np.round(x)
        case "nan":
            return np.where(x > 1.3, np.nan, x)
        case "-inf":
            return np.where(x > -0.5, -np.inf, x)
        case "strided":
            return x.transpose(1, 0, *range(x.ndim - 1, 1, -1))
        case "empty":
            return x[:0]
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["alone", "ties", "nan", "-inf", "strided", "empty"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_max_pool(ndim: int, kind: str, dtype: str) -> None:
    name = f"max_pool{ndim}d"
    for kernel, stride, padding, ceil_mode in windows(ndim, 4):
        args = (kernel, stride, padding, 1, bool(ceil_mode), True)
        assert_same(
            lambda x, args=args: getattr(F, name)(x, *args),
            lambda x, args=args: getattr(T, name)(x, *args),
            (image(ndim, kind),),
            dtype,
        )


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_max_pool_with_gaps(ndim: int) -> None:
    name = f"max_pool{ndim}d"
    assert_same(
        lambda x: getattr(F, name)(x, 2, 1, 0, 3),
        lambda x: getattr(T, name)(x, 2, 1, 0, 3),
        (image(ndim, "ties"),),
        "float32",
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["alone", "strided", "empty"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_avg_pool(ndim: int, kind: str, dtype: str) -> None:
    name = f"avg_pool{ndim}d"
    for at, (kernel, stride, padding, ceil_mode) in enumerate(windows(ndim, 4)):
        options = {"divisor_override": 5} if ndim > 1 and at == 2 else {}
        args = (kernel, stride, padding, bool(ceil_mode), at < 2)
        assert_same(
            lambda x, args=args, options=options: getattr(F, name)(x, *args, **options),
            lambda x, args=args, options=options: getattr(T, name)(x, *args, **options),
            (image(ndim, kind),),
            dtype,
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 3, 4, 9])
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_pool(kind: str, ndim: int, size: int, dtype: str) -> None:
    name = f"adaptive_{kind}_pool{ndim}d"
    options = {"return_indices": True} if kind == "max" else {}
    for sort in ("alone", "nan"):
        assert_same(
            lambda x: getattr(F, name)(x, size, **options),
            lambda x: getattr(T, name)(x, size, **options),
            (image(ndim, sort),),
            dtype,
        )


@pytest.mark.parametrize("size", [(None, 3), (2, None), (4, 1)])
def test_a_size_of_none_is_that_of_the_input(size: Any) -> None:
    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        assert_same(
            lambda x, name=name: getattr(F, name)(x, size),
            lambda x, name=name: getattr(T, name)(x, size),
            (image(2, "alone"),),
            "float64",
        )


@pytest.mark.parametrize("norm", [1, 2, 3.0, float("inf")])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_lp_pool(ndim: int, norm: float) -> None:
    name = f"lp_pool{ndim}d"
    x = np.abs(image(ndim, "alone"))
    x[..., :2] = 0.0
    assert_same(
        lambda x: getattr(F, name)(x, norm, 2, None, True),
        lambda x: getattr(T, name)(x, norm, 2, None, True),
        (x,),
        "float64",
    )


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_integers_are_pooled(name: str) -> None:
    x = rng.integers(-9, 9, (2, 5, 6))
    ours, theirs = getattr(F, name)(tensor(x), 2), getattr(T, name)(torch.tensor(x), 2)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


MODULES: list[Any] = [
    ("MaxPool1d", (2,), {}),
    ("MaxPool2d", (3, 2, 1), {"ceil_mode": True, "return_indices": True}),
    ("MaxPool3d", ((2, 1, 2),), {}),
    ("AvgPool1d", (2, 1, 1), {"count_include_pad": False}),
    ("AvgPool2d", ((3, 2),), {"divisor_override": 3}),
    ("AvgPool3d", (2,), {"stride": (1, 2, 1)}),
    ("AdaptiveAvgPool1d", (3,), {}),
    ("AdaptiveAvgPool2d", ((2, None),), {}),
    ("AdaptiveAvgPool3d", (2,), {}),
    ("AdaptiveMaxPool1d", (3,), {}),
    ("AdaptiveMaxPool2d", ((2, 3),), {"return_indices": True}),
    ("AdaptiveMaxPool3d", (2,), {}),
    ("LPPool1d", (1.5, 2), {}),
    ("LPPool2d", (2, (2, 3), 1), {}),
    ("LPPool3d", (2, 2), {"ceil_mode": True}),
]


@pytest.mark.parametrize(("name", "args", "options"), MODULES)
def test_modules(name: str, args: Any, options: Any) -> None:
    mine, other = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(mine) == repr(other)
    assert_same(mine, other, (np.abs(image(int(name[-2]), "alone")),), "float64")


MISTAKES: list[Any] = [
    ("max_pool1d", (6,), (2,), {}),
    ("max_pool2d", (6, 6), (2,), {}),
    ("max_pool2d", (1, 3, 6, 6), (7,), {}),
    ("max_pool2d", (1, 3, 6, 6), (2,), {"padding": 2}),
    ("max_pool2d", (1, 3, 6, 6), (3,), {"padding": 2, "dilation": 2}),
    ("max_pool2d", (1, 3, 6, 6), (0,), {}),
    ("max_pool2d", (1, 3, 6, 6), (2, 0), {}),
    ("max_pool2d", (1, 3, 6, 6), (2,), {"padding": -1}),
    ("max_pool2d", (1, 3, 6, 6), (2,), {"dilation": 0}),
    ("max_pool2d", (1, 3, 6, 6), ((2, 2, 2),), {}),
    ("max_pool2d", (1, 0, 6, 6), (2,), {}),
    ("max_pool3d", (1, 3, 0, 6, 6), (2,), {}),
    ("avg_pool1d", (1, 2, 3, 6), (2,), {}),
    ("avg_pool2d", (1, 3, 6, 6), (2,), {"divisor_override": 0}),
    ("avg_pool3d", (1, 3, 2, 6, 6), (3,), {"padding": 1}),
    ("adaptive_avg_pool1d", (1, 3, 6), (None,), {}),
    ("adaptive_avg_pool2d", (6, 6), (2,), {}),
    ("adaptive_avg_pool2d", (6, 6), ((2, 2),), {}),
    ("adaptive_avg_pool2d", (1, 3, 6, 6), (-1,), {}),
    ("adaptive_avg_pool2d", (1, 3, 6, 6), ((2, 2, 2),), {}),
    ("adaptive_max_pool2d", (1, 0, 6, 6), (2,), {}),
]


@pytest.mark.parametrize(("name", "x", "args", "options"), MISTAKES)
def test_mistakes_are_of_the_same_class(name: str, x: Any, args: Any, options: Any) -> None:
    assert_same_error(
        lambda: getattr(F, name)(tensor(np.zeros(x)), *args, **options),
        lambda: getattr(T, name)(torch.zeros(x), *args, **options),
    )


@pytest.mark.parametrize("name", ["max_pool1d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d"])
def test_bools_are_not_pooled(name: str) -> None:
    x = np.ones((1, 3, 6) if "1d" in name else (1, 3, 6, 6), bool)
    assert_same_error(
        lambda: getattr(F, name)(tensor(x), 2), lambda: getattr(T, name)(torch.tensor(x), 2)
    )
