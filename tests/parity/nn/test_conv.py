"""Convolutions against PyTorch's: values, gradients, gradients of gradients, weights, errors."""

from typing import Any

import numpy as np
import pytest

from dtrain import autograd, nn
from dtrain.autograd import tensor
from dtrain.nn import functional as F
from tests.parity.nn.both import (
    DTYPES,
    assert_gradient,
    assert_same,
    assert_same_error,
    assert_same_module,
    backward,
    inputs,
    modules,
    torch,
)

T = torch.nn.functional
rng = np.random.default_rng(8)


def draw(*shape: int) -> Any:
    return rng.normal(size=shape)


CONVOLUTIONS: list[Any] = [  # input, weight, arguments after the bias
    ("conv1d", (2, 3, 9), (4, 3, 3), {}),
    ("conv1d", (3, 9), (4, 3, 1), {"stride": 2}),
    ("conv1d", (2, 4, 9), (4, 1, 4), {"padding": "same", "groups": 4, "dilation": 2}),
    ("conv1d", (0, 3, 9), (4, 3, 3), {"padding": 1}),
    ("conv2d", (2, 3, 8, 7), (4, 3, 3, 3), {"padding": 1}),
    ("conv2d", (3, 8, 7), (4, 3, 3, 2), {"padding": "valid"}),
    ("conv2d", (2, 4, 9, 7), (6, 2, 3, 2), {"stride": (2, 3), "padding": (0, 2), "groups": 2}),
    ("conv2d", (2, 3, 9, 9), (2, 3, 2, 3), {"padding": 5, "dilation": (3, 1)}),
    ("conv2d", (2, 3, 5, 6), (4, 3, 1, 1), {}),
    ("conv2d", (2, 3, 5, 6), (4, 3, 1, 1), {"stride": 2, "padding": 1}),
    ("conv2d", (3, 40, 2, 2), (5, 40, 2, 2), {"padding": (1, 0)}),
    ("conv2d", (2, 6, 6, 6), (12, 1, 3, 3), {"groups": 6, "padding": 1}),
    ("conv2d", (2, 3, 4, 4), (1, 3, 4, 4), {}),
    ("conv2d", (0, 3, 8, 7), (4, 3, 3, 3), {}),
    ("conv3d", (2, 3, 5, 4, 5), (4, 3, 2, 3, 2), {"padding": (1, 0, 1), "stride": (1, 2, 1)}),
    ("conv3d", (2, 4, 4, 5), (4, 1, 3, 1, 3), {"groups": 2, "padding": "same"}),
]
TRANSPOSED: list[Any] = [
    ("conv_transpose1d", (2, 3, 5), (3, 2, 4), {"stride": 2, "padding": 1}),
    ("conv_transpose2d", (2, 4, 3, 4), (4, 2, 3, 2), {"groups": 2, "dilation": (1, 2)}),
    ("conv_transpose2d", (2, 3, 4), (2, 3, 3, 3), {"stride": 3, "output_padding": (2, 1)}),
    ("conv_transpose2d", (2, 40, 2, 2), (40, 3, 2, 2), {}),
    ("conv_transpose3d", (1, 2, 3, 2, 3), (2, 2, 2, 3, 2), {"stride": (2, 1, 2), "padding": 1}),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("name", "x", "w", "options"), CONVOLUTIONS + TRANSPOSED)
def test_values_and_gradients(
    name: str, x: Any, w: Any, options: Any, bias: bool, dtype: str
) -> None:
    outputs = w[1] * options.get("groups", 1) if "transpose" in name else w[0]
    assert_same(
        lambda *leaves: getattr(F, name)(*leaves, **options),
        lambda *leaves: getattr(T, name)(*leaves, **options),
        (draw(*x), draw(*w), draw(outputs) if bias else None),
        dtype,
        rtol=1e-4 if dtype == "float32" else 1e-10,
        atol=2e-5 if dtype == "float32" else 1e-12,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_that_are_not_contiguous(dtype: str) -> None:
    x, w = draw(6, 5, 2, 3).transpose(2, 3, 1, 0), draw(2, 3, 3, 4).transpose(3, 2, 0, 1)
    assert_same(
        lambda x, w: F.conv2d(x, w, padding=1),
        lambda x, w: T.conv2d(x, w, padding=1),
        (x, w),
        dtype,
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_gradients_of_gradients(name: str) -> None:
    mine, other = inputs(draw(2, 2, 5, 4), draw(2, 2, 3, 2), draw(2), dtype="float64")
    first, expected = [], []
    for found, functions, leaves, grad in (
        (first, F, mine, autograd.grad),
        (expected, T, other, torch.autograd.grad),
    ):
        out = getattr(functions, name)(*leaves, stride=2, padding=1)
        found += grad((out * out).sum(), leaves, create_graph=True)
    backward(tuple(first), tuple(expected), "float64")
    for one, two in zip(mine, other, strict=True):
        assert_gradient(one, two, "float64", rtol=1e-9)


def test_integers_are_convolved() -> None:
    x, w = rng.integers(-9, 9, (1, 2, 4, 4)), rng.integers(-9, 9, (3, 2, 3, 3))
    expected = T.conv2d(torch.tensor(x), torch.tensor(w)).numpy()
    np.testing.assert_array_equal(F.conv2d(tensor(x), tensor(w)).numpy(), expected)


MODULES: list[Any] = [
    ("Conv1d", (3, 4, 3), {"padding": 1}, (2, 3, 7)),
    ("Conv2d", (3, 4, 3), {"padding": "same", "padding_mode": "reflect"}, (2, 3, 7, 6)),
    ("Conv2d", (4, 6, (3, 2)), {"groups": 2, "stride": (2, 1), "bias": False}, (4, 7, 6)),
    ("Conv2d", (2, 2, 4), {"padding": "same", "padding_mode": "circular"}, (2, 2, 7, 6)),
    ("Conv2d", (2, 2, 3), {"padding": (2, 1), "padding_mode": "replicate"}, (2, 2, 7, 6)),
    ("Conv3d", (2, 4, 2), {"dilation": 2, "padding": (0, 1, 2)}, (2, 2, 5, 4, 4)),
    ("ConvTranspose1d", (3, 4, 3), {"stride": 2, "output_padding": 1}, (2, 3, 7)),
    ("ConvTranspose2d", (4, 6, 3), {"groups": 2, "padding": 1}, (2, 4, 5, 4)),
    ("ConvTranspose3d", (2, 2, 2), {"bias": False}, (2, 2, 3, 2, 3)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "args", "options", "shape"), MODULES)
def test_a_module_starts_and_learns_as_pytorchs(
    name: str, args: Any, options: Any, shape: Any, dtype: str
) -> None:
    mine, other = modules(name, *args, **options, dtype=dtype)
    assert repr(mine) == repr(other)
    for one, two in zip(mine.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), two.detach().numpy())
    assert_same(mine, other, (draw(*shape),), dtype, rtol=2e-4, atol=1e-5)
    assert_same_module(mine, other, dtype, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("output_size", [(9, 6), (2, 2, 10, 5), [9, 5]])
def test_an_output_size_is_chosen(output_size: Any) -> None:
    mine, other = modules("ConvTranspose2d", 3, 2, 3, stride=2, padding=(1, 2))
    assert_same(
        lambda x: mine(x, output_size=output_size),
        lambda x: other(x, output_size=output_size),
        (draw(2, 3, 5, 4),),
        "float32",
    )


MISTAKES: list[Any] = [
    ("conv2d", (3, 4), (2, 3, 3, 3), {}),
    ("conv2d", (1, 3, 4, 4), (2, 4, 3, 3), {}),
    ("conv2d", (1, 3, 4, 4), (2, 3, 3), {}),
    ("conv2d", (1, 3, 2, 2), (2, 3, 3, 3), {}),
    ("conv2d", (1, 3, 0, 2), (2, 3, 1, 1), {"padding": 1}),
    ("conv2d", (1, 3, 4, 4), (2, 3, 3, 3), {"padding": -1}),
    ("conv2d", (1, 3, 4, 4), (2, 3, 3, 3), {"stride": 0}),
    ("conv2d", (1, 3, 4, 4), (2, 3, 3, 3), {"dilation": 0}),
    ("conv2d", (1, 3, 4, 4), (2, 3, 3, 3), {"groups": 0}),
    ("conv2d", (1, 4, 4, 4), (3, 2, 3, 3), {"groups": 2}),
    ("conv2d", (1, 4, 4, 4), (1, 2, 3, 3), {"groups": 2}),
    ("conv2d", (1, 3, 4, 4), (2, 3, 3, 3), {"stride": (1, 1, 1)}),
    ("conv2d", (1, 3, 4, 4), (2, 3, 3, 3), {"padding": "some"}),
    ("conv2d", (1, 3, 4, 4), (2, 3, 3, 3), {"padding": "same", "stride": 2}),
    ("conv_transpose2d", (1, 3, 4, 4), (2, 3, 3, 3), {}),
    ("conv_transpose2d", (1, 2, 4, 4), (2, 3, 3, 3), {"output_padding": 1}),
    ("conv_transpose2d", (1, 2, 4, 4), (2, 3, 3, 3), {"output_padding": -1}),
    ("conv_transpose2d", (1, 2, 1, 1), (2, 3, 1, 1), {"padding": 1}),
    ("conv_transpose2d", (1, 2, 4, 4), (2, 3, 3, 3), {"padding": "same"}),
]


@pytest.mark.parametrize(("name", "x", "w", "options"), MISTAKES)
def test_mistakes_are_of_the_same_class(name: str, x: Any, w: Any, options: Any) -> None:
    assert_same_error(
        lambda: getattr(F, name)(tensor(draw(*x)), tensor(draw(*w)), **options),
        lambda: getattr(T, name)(torch.tensor(draw(*x)), torch.tensor(draw(*w)), **options),
    )


def test_dtypes_and_biases_that_do_not_fit() -> None:
    x, w = draw(1, 3, 4, 4), draw(2, 3, 3, 3)
    for weight, bias in ((w.astype("f"), None), (w, draw(3)), (w, draw(2, 1))):
        assert_same_error(
            lambda w=weight, b=bias: F.conv2d(tensor(x), tensor(w), b if b is None else tensor(b)),
            lambda w=weight, b=bias: T.conv2d(
                torch.tensor(x), torch.tensor(w), b if b is None else torch.tensor(b)
            ),
        )


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((3, 4, 3), {"groups": 2}),
        ((4, 3, 3), {"groups": 2}),
        ((3, 4, 3), {"groups": 0}),
        ((3, 4, 3), {"padding": "some"}),
        ((3, 4, 3), {"padding": "same", "stride": 2}),
        ((3, 4, 3), {"padding_mode": "some"}),
    ],
)
def test_a_module_refuses_what_pytorchs_refuses(args: Any, options: Any) -> None:
    assert_same_error(
        lambda: nn.Conv2d(*args, **options), lambda: torch.nn.Conv2d(*args, **options)
    )
