"""Padding, interpolation, pixels to channels, sliding blocks: small cases worked out by hand."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor
from dtrain.nn import functional as F

rng = np.random.default_rng(5)
ROW = tensor([[[1.0, 2.0, 3.0]]])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("constant", [0, 0, 1, 2, 3, 0]),
        ("reflect", [3, 2, 1, 2, 3, 2]),
        ("replicate", [1, 1, 1, 2, 3, 3]),
        ("circular", [2, 3, 1, 2, 3, 1]),
    ],
)
def test_each_mode_pads_its_own_way(mode: str, expected: Any) -> None:
    assert F.pad(ROW, (2, 1), mode).tolist() == [[expected]]


def test_negative_padding_takes_away() -> None:
    assert F.pad(ROW, (-1, 1), value=7.0).tolist() == [[[2.0, 3.0, 7.0]]]


def test_padding_lists_the_last_axis_first() -> None:
    assert F.pad(tensor(np.zeros((2, 3))), (1, 0, 0, 4)).shape == (6, 4)


def test_reflecting_more_than_there_is_raises() -> None:
    with pytest.raises(RuntimeError, match="less than the corresponding input dimension"):
        F.pad(ROW, (3, 0), "reflect")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"mode": "nearest"}, [1, 1, 2, 2, 3, 3]),
        ({"mode": "linear"}, [1, 1.25, 1.75, 2.25, 2.75, 3]),
        ({"mode": "linear", "align_corners": True}, [1, 1.4, 1.8, 2.2, 2.6, 3]),
        ({"mode": "area"}, [1, 1, 2, 2, 3, 3]),
    ],
)
def test_interpolation_to_twice_the_size(options: Any, expected: Any) -> None:
    out = F.interpolate(ROW, scale_factor=2, **options)
    np.testing.assert_allclose(out.numpy(), [[expected]], rtol=1e-6)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_a_constant_image_stays_constant(mode: str, antialias: bool) -> None:
    out = F.interpolate(tensor(np.full((1, 1, 7, 5), 3.0)), (4, 9), mode=mode, antialias=antialias)
    np.testing.assert_allclose(out.numpy(), 3.0, rtol=1e-12)


def test_pixels_are_shuffled_and_back() -> None:
    x = rng.normal(size=(2, 12, 3, 2))
    up = F.pixel_shuffle(tensor(x), 2)
    assert up.shape == (2, 3, 6, 4)
    assert up[0, 0, :2, :2].tolist() == [[x[0, 0, 0, 0], x[0, 1, 0, 0]], [*x[0, 2:4, 0, 0]]]
    np.testing.assert_array_equal(F.pixel_unshuffle(up, 2).numpy(), x)


def test_unfold_and_a_product_are_a_convolution() -> None:
    x, w = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 2))
    columns = F.unfold(tensor(x), (3, 2), padding=1, stride=2)
    out = F.conv2d(tensor(x), tensor(w), padding=1, stride=2)
    product = w.reshape(4, -1) @ columns.numpy()
    np.testing.assert_allclose(product.reshape(out.shape), out.numpy(), rtol=1e-11, atol=1e-13)


def test_fold_counts_how_often_unfold_took_an_element() -> None:
    columns = F.unfold(tensor(np.ones((1, 1, 3, 3))), 2)
    assert F.fold(columns, (3, 3), 2).tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]


def test_modules_print_as_in_pytorch() -> None:
    assert repr(nn.Upsample(scale_factor=2)) == "Upsample(scale_factor=2.0, mode='nearest')"
    assert repr(nn.ZeroPad2d(1)) == "ZeroPad2d((1, 1, 1, 1))"
    assert repr(nn.ConstantPad1d(1, 2.5)) == "ConstantPad1d(padding=(1, 1), value=2.5)"
    assert repr(nn.PixelShuffle(2)) == "PixelShuffle(upscale_factor=2)"
