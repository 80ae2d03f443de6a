"""Pooling against loops: ties, nan, windows that reach outside."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor
from dtrain.nn import functional as F

rng = np.random.default_rng(4)


def rows(x: Any, kernel: int, stride: int, padding: int, ceil_mode: bool) -> list[Any]:
    """The windows of a signal, as lists of places."""
    out, start = [], -padding
    while start + kernel <= len(x) + padding or (ceil_mode and start < len(x)):
        out.append([at for at in range(start, start + kernel) if 0 <= at < len(x)])
        start += stride
    return out


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (2, 3, 1)])
def test_max_pool_is_the_greatest_of_each_window(
    kernel: int, stride: int, padding: int, ceil_mode: bool
) -> None:
    x = rng.integers(-3, 3, 8).astype(float)
    values, places = F.max_pool1d(
        tensor(x[None]), kernel, stride, padding, 1, ceil_mode, return_indices=True
    )
    expected = [max(w, key=lambda at: x[at]) for w in rows(x, kernel, stride, padding, ceil_mode)]
    assert places.tolist() == [expected]
    assert values.tolist() == [x[expected].tolist()]


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (2, 3, 1)])
def test_avg_pool_without_padding_is_the_mean_of_each_window(
    kernel: int, stride: int, padding: int, ceil_mode: bool
) -> None:
    x = rng.normal(size=8)
    out = F.avg_pool1d(tensor(x[None]), kernel, stride, padding, ceil_mode, False)
    expected = [x[window].mean() for window in rows(x, kernel, stride, padding, ceil_mode)]
    np.testing.assert_allclose(out.numpy()[0], expected, rtol=1e-12)


def test_the_first_of_equal_elements_in_reading_order_has_the_gradient() -> None:
    x = tensor([[[0.0, 1.0], [1.0, 1.0]]], requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[0.0, 1.0], [0.0, 0.0]]]


def test_nan_is_greater_than_any_number() -> None:
    x = tensor([[[9.0, np.nan], [1.0, 2.0]]], requires_grad=True)
    out, place = F.max_pool2d(x, 2, return_indices=True)
    assert np.isnan(out.item())
    assert place.item() == 1


def test_windows_that_overlap_add_up_their_gradients() -> None:
    x = tensor([[0.0, 5.0, 0.0, 1.0]], requires_grad=True)
    F.max_pool1d(x, 3, 1).sum().backward()
    assert x.grad.tolist() == [[0.0, 2.0, 0.0, 0.0]]


@pytest.mark.parametrize("out", [1, 3, 5, 8])
def test_adaptive_parts_cover_the_input_and_may_share_an_element(out: int) -> None:
    x = rng.normal(size=5)
    parts = [x[at * 5 // out : -(-(at + 1) * 5 // out)] for at in range(out)]
    mean, most = (f(tensor(x[None]), out) for f in (F.adaptive_avg_pool1d, F.adaptive_max_pool1d))
    np.testing.assert_allclose(mean.numpy()[0], [part.mean() for part in parts], rtol=1e-12)
    assert most.numpy()[0].tolist() == [part.max() for part in parts]


def test_a_window_in_the_padding_alone_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="lies in the padding"):
        F.max_pool1d(tensor([[1.0]]), 2, 1, 1, 2)


def test_a_padding_of_more_than_half_the_kernel_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="equal to half of kernel size"):
        F.max_pool2d(tensor(np.zeros((1, 4, 4))), 2, padding=2)


def test_modules_print_their_windows() -> None:
    assert repr(nn.MaxPool2d(2)) == (
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
    )
    assert repr(nn.AvgPool1d(2)) == "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"
    assert repr(nn.AdaptiveAvgPool2d((1, None))) == "AdaptiveAvgPool2d(output_size=(1, None))"
