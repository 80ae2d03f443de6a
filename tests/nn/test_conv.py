"""Convolutions against loops; tiles, layouts and sizes that must not matter."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor, wrap
from dtrain.autograd.ops import windows
from dtrain.nn import functional as F

rng = np.random.default_rng(3)


def loops(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """conv2d, one product at a time."""
    (n, c, h, wide), (o, own, kh, kw) = x.shape, w.shape
    outs = [
        (size + 2 * padding[at] - dilation[at] * (w.shape[2 + at] - 1) - 1) // stride[at] + 1
        for at, size in enumerate((h, wide))
    ]
    out = np.zeros((n, o, *outs))
    for m, f, p, q, k, i, j in product(*map(range, (n, o, *outs, own, kh, kw))):
        row = p * stride[0] + i * dilation[0] - padding[0]
        column = q * stride[1] + j * dilation[1] - padding[1]
        if 0 <= row < h and 0 <= column < wide:
            channel = f // (o // groups) * (c // groups) + k
            out[m, f, p, q] += w[f, k, i, j] * x[m, channel, row, column]
    return out


GEOMETRIES = [
    ((1, 1), (0, 0), (1, 1), 1),
    ((2, 1), (1, 2), (1, 1), 2),
    ((1, 3), (0, 4), (2, 1), 1),
    ((3, 2), (2, 0), (1, 2), 2),
]


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), GEOMETRIES)
def test_conv2d_is_what_loops_make_of_it(
    stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    x, w = rng.normal(size=(2, 2, 6, 5)), rng.normal(size=(4, 2 // groups, 3, 2))
    out = F.conv2d(tensor(x), tensor(w), None, stride, padding, dilation, groups)
    expected = loops(x, w, stride, padding, dilation, groups)
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("tile", [8, 64, 4096])
def test_tiles_change_nothing_but_the_order_of_sums(
    tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, w, b = rng.normal(size=(3, 4, 9, 8)), rng.normal(size=(6, 2, 3, 3)), rng.normal(size=6)
    whole = gradients(x, w, b)
    monkeypatch.setattr(windows, "TILE", tile)
    monkeypatch.setattr(windows, "TILE_PLACES", 4)
    for one, other in zip(gradients(x, w, b), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def gradients(x: Any, w: Any, b: Any, **options: Any) -> list[Any]:
    """The result of a convolution, and the gradients of the sum of its squares."""
    leaves = [wrap(each).requires_grad_() for each in (x, w, b)]
    out = F.conv2d(*leaves, padding=1, groups=2, **options)
    (out * out).sum().backward()
    return [out.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("size", [2, 9])
def test_the_layout_of_the_input_does_not_change_the_bits(size: int, kernel: int) -> None:
    x = rng.normal(size=(3, 4, size, size)).astype("f")
    w, b = rng.normal(size=(6, 2, kernel, kernel)).astype("f"), rng.normal(size=6).astype("f")
    spread = np.zeros((3, 4, size, 2 * size), "f")
    spread[..., ::2] = x
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    plain = gradients(x, w, b)
    for each in (spread[..., ::2], last, np.asfortranarray(x)):
        for one, other in zip(gradients(each, np.asfortranarray(w), b), plain, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_transposed_convolution_is_the_adjoint() -> None:
    x, y, w = (rng.normal(size=size) for size in ((2, 3, 8), (2, 4, 4), (4, 3, 3)))
    there = F.conv1d(tensor(x), tensor(w), None, stride=2, padding=1)
    back = F.conv_transpose1d(tensor(y), tensor(w), None, stride=2, padding=1, output_padding=1)
    assert (there.numpy() * y).sum() == pytest.approx((x * back.numpy()).sum(), rel=1e-12)


def test_same_padding_keeps_the_size_with_the_odd_zero_at_the_end() -> None:
    out = F.conv1d(tensor([[[1.0, 2.0, 3.0]]]), tensor([[[1.0, 10.0]]]), padding="same")
    assert out.tolist() == [[[21.0, 32.0, 3.0]]]


def test_an_image_without_a_batch_is_a_batch_of_one() -> None:
    x, w = rng.normal(size=(3, 5, 5)), rng.normal(size=(2, 3, 3, 3))
    alone, batch = F.conv2d(tensor(x), tensor(w)), F.conv2d(tensor(x[None]), tensor(w))
    np.testing.assert_array_equal(alone.numpy(), batch.numpy()[0])


def test_an_empty_batch_has_an_empty_result_and_zero_gradients() -> None:
    x = tensor(np.zeros((0, 2, 5, 5)), requires_grad=True)
    w = tensor(np.ones((3, 2, 3, 3)), requires_grad=True)
    out = F.conv2d(x, w)
    out.sum().backward()
    assert out.shape == (0, 3, 3, 3)
    assert x.grad.shape == x.shape
    assert not w.grad.numpy().any()


def test_channels_that_do_not_fit_are_counted() -> None:
    with pytest.raises(RuntimeError, match=r"to have 4 channels, but got 3 channels instead"):
        F.conv2d(tensor(np.zeros((1, 3, 4, 4))), tensor(np.zeros((2, 4, 3, 3))))


def test_a_kernel_larger_than_the_image_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"\(2 x 2\). Kernel size: \(3 x 3\)"):
        F.conv2d(tensor(np.zeros((1, 1, 2, 2))), tensor(np.zeros((1, 1, 3, 3))))


def test_a_module_prints_only_what_is_not_default() -> None:
    module = nn.Conv2d(2, 4, 3, padding=1, groups=2, bias=False)
    assert repr(module) == (
        "Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=2, bias=False)"
    )


def test_a_padding_mode_pads_before_the_convolution() -> None:
    module = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
    module.weight = nn.Parameter(np.array([[[1.0, 0.0, 0.0]]]))
    assert module(tensor([[[1.0, 2.0, 3.0]]]).double()).tolist() == [[[3.0, 1.0, 2.0]]]
