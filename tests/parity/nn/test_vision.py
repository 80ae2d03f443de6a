"""Padding, interpolation, shuffles and sliding blocks against PyTorch's."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import tensor
from dtrain.nn import functional as F
from tests.parity.nn.both import DTYPES, assert_same, assert_same_error, torch

T = torch.nn.functional
rng = np.random.default_rng(10)


def both(name: str, values: Any, dtype: str, *args: Any, **options: Any) -> None:
    """A function of both libraries on the same input."""
    assert_same(
        lambda x: getattr(F, name)(x, *args, **options),
        lambda x: getattr(T, name)(x, *args, **options),
        (values,),
        dtype,
    )


PADS: list[Any] = [
    ("constant", (3,), (1, 2)),
    ("constant", (2, 3, 4), (1, -2, 0, 3)),
    ("constant", (2, 3), (-1, -2)),
    ("constant", (), ()),
    ("constant", (0, 3), (1, 1, 2, 0)),
    *((mode, (2, 3, 5), (2, 1)) for mode in ("reflect", "replicate", "circular")),
    *((mode, (3, 5), (-1, 2)) for mode in ("reflect", "replicate", "circular")),
    *((mode, (2, 3, 5, 4), (2, 3, 4, 0)) for mode in ("reflect", "replicate", "circular")),
    *((mode, (2, 3, 4, 5), (1, 0, 2, -1, 2, 1)) for mode in ("reflect", "replicate", "circular")),
    *((mode, (0, 3, 5), (2, 1)) for mode in ("reflect", "replicate", "circular")),
    ("replicate", (1, 2, 3), (7, 9)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("mode", "shape", "pad"), PADS)
def test_pad(mode: str, shape: Any, pad: Any, dtype: str) -> None:
    both("pad", np.asarray(rng.normal(size=shape)), dtype, pad, mode)


def test_pad_of_integers_and_bools_and_a_value() -> None:
    both("pad", np.arange(6).reshape(2, 3), "float32", (1, -1, 0, 2), value=2.5)
    both("pad", np.ones((2, 3), bool), "float32", (1, 1))
    both("pad", np.arange(4).reshape(1, 1, 4), "float32", (1, 1), "reflect")


SIZES: list[Any] = [
    {"size": 3},
    {"size": 13},
    {"scale_factor": 2},
    {"scale_factor": 0.4},
    {"scale_factor": 1.7},
    {"scale_factor": 1.7, "recompute_scale_factor": True},
]
UNALIGNED = [
    (mode, ndim, {}) for mode in ("nearest", "nearest-exact", "area") for ndim in (1, 2, 3)
]
ALIGNED = [
    (mode, ndim, {"align_corners": corners})
    for mode, ndim in (("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3))
    for corners in (True, False)
]
SMOOTH = [
    (mode, 2, {"antialias": True, "align_corners": corners})
    for mode in ("bilinear", "bicubic", "lanczos")
    for corners in (True, False)[mode == "lanczos" :]
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("mode", "ndim", "options"), UNALIGNED + ALIGNED + SMOOTH)
def test_interpolate(mode: str, ndim: int, options: Any, dtype: str) -> None:
    for size in SIZES:
        x = rng.normal(size=(2, 2, 7, 5, 6)[: ndim + 2])
        both("interpolate", x, dtype, mode=mode, **size, **options)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_every_size_has_the_neighbours_of_pytorch(mode: str) -> None:
    for size in range(1, 40, 3):
        for out in range(1, 60, 2):
            x = np.arange(size, dtype="f")[None, None]
            ours = F.interpolate(tensor(x), out, mode=mode)
            theirs = T.interpolate(torch.tensor(x), out, mode=mode)
            assert ours.tolist() == theirs.tolist()


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_former_names() -> None:
    x = rng.normal(size=(2, 2, 4, 5))
    both("upsample", x, "float64", scale_factor=2, mode="bilinear", align_corners=True)
    both("upsample_nearest", x, "float64", (3, 8))
    both("upsample_bilinear", x, "float64", scale_factor=2)


@pytest.mark.parametrize("shape", [(8, 4, 6), (2, 8, 4, 6), (2, 3, 8, 4, 6)])
def test_shuffles(shape: Any) -> None:
    both("pixel_shuffle", rng.normal(size=shape), "float32", 2)
    both("pixel_unshuffle", rng.normal(size=shape), "float32", 2)


@pytest.mark.parametrize("shape", [(2, 3, 7, 6), (3, 7, 6), (0, 3, 7, 6)])
@pytest.mark.parametrize("windows", [((2, 3),), (3, 2, 1, 2), (2, 1, (1, 0), (3, 2))])
def test_unfold_and_fold(windows: Any, shape: Any) -> None:
    both("unfold", rng.normal(size=shape), "float64", *windows)
    columns = T.unfold(torch.zeros(shape), *windows).shape
    both("fold", rng.normal(size=tuple(columns)), "float64", (7, 6), *windows)


MODULES: list[Any] = [
    *((f"{kind}Pad{ndim}d", (1,), ndim) for kind in ("Zero", "Circular") for ndim in (1, 2, 3)),
    *((f"Re{kind}Pad{ndim}d", (2,), ndim) for kind in ("flection", "plication") for ndim in (1, 3)),
    ("ReflectionPad2d", ((1, 2, 3, 0),), 2),
    ("ReplicationPad2d", ((1, -1, 0, 2),), 2),
    ("ConstantPad1d", ((1, 2), 3.5), 1),
    ("ConstantPad2d", (2, 3), 2),
    ("ConstantPad3d", ((1, 0, 0, 2, -1, 1), 0.5), 3),
    ("Upsample", (None, 2), 2),
    ("Upsample", ((3, 8), None, "bilinear", True), 2),
    ("Upsample", (None, (1.5, 2.0), "bicubic"), 2),
    ("UpsamplingNearest2d", (5,), 2),
    ("UpsamplingBilinear2d", (None, 2), 2),
    ("PixelShuffle", (2,), 2),
    ("PixelUnshuffle", (2,), 2),
    ("Unfold", (2, 1, 1), 2),
]


@pytest.mark.parametrize(("name", "args", "ndim"), MODULES)
def test_modules(name: str, args: Any, ndim: int) -> None:
    mine, other = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert repr(mine) == repr(other)
    assert_same(mine, other, (rng.normal(size=(2, 4, 4, 6, 5)[: ndim + 2]),), "float64")


def test_circular_padding_as_a_module_counts_dimensions() -> None:
    x = np.zeros((1, 2, 3, 4))
    assert_same_error(
        lambda: nn.CircularPad1d(1)(tensor(x)), lambda: torch.nn.CircularPad1d(1)(torch.tensor(x))
    )


def test_fold_as_a_module() -> None:
    mine, other = nn.Fold((4, 5), (2, 3), stride=2), torch.nn.Fold((4, 5), (2, 3), stride=2)
    assert repr(mine) == repr(other)
    assert_same(mine, other, (rng.normal(size=(2, 12, 4)),), "float64")


MISTAKES: list[Any] = [
    ("pad", (4,), ((1,),), {}),
    ("pad", (4,), ((1, 1, 1, 1),), {}),
    ("pad", (4,), ((-3, -2),), {}),
    ("pad", (4,), ((1, 1), "some"), {}),
    ("pad", (4,), ((1, 1), "reflect"), {}),
    ("pad", (1, 1, 4, 4), ((1, 1), "replicate"), {}),
    ("pad", (1, 1, 4), ((4, 0), "reflect"), {}),
    ("pad", (1, 1, 4), ((5, 0), "circular"), {}),
    ("pad", (1, 1, 4), ((1, 1), "circular", 1.0), {}),
    ("pad", (1, 1, 4), ((-2, -2), "replicate"), {}),
    ("interpolate", (1, 1, 4), (), {}),
    ("interpolate", (1, 1, 4), (3, 2.0), {}),
    ("interpolate", (1, 1, 4), ((3, 3),), {}),
    ("interpolate", (1, 1, 4), (3.5,), {}),
    ("interpolate", (1, 1, 4), (3,), {"mode": "some"}),
    ("interpolate", (1, 1, 4), (3,), {"mode": "bilinear"}),
    ("interpolate", (1, 4), (3,), {}),
    ("interpolate", (1, 1, 4), (3,), {"align_corners": True}),
    ("interpolate", (1, 1, 4), (3,), {"mode": "linear", "antialias": True}),
    ("interpolate", (1, 1, 4), (0,), {}),
    ("interpolate", (1, 1, 4), (3,), {"recompute_scale_factor": True}),
    ("interpolate", (1, 1, 4, 4), (3,), {"mode": "lanczos"}),
    ("pixel_shuffle", (2, 8, 3, 3), (3,), {}),
    ("pixel_shuffle", (3, 3), (3,), {}),
    ("pixel_shuffle", (2, 8, 3, 3), (0,), {}),
    ("pixel_unshuffle", (2, 8, 3, 3), (2,), {}),
    ("unfold", (1, 3, 4, 4), (5,), {}),
    ("unfold", (1, 3, 4, 4), (2,), {"stride": 0}),
    ("unfold", (1, 0, 4, 4), (2,), {}),
    ("fold", (1, 7, 4), ((3, 3), 2), {}),
    ("fold", (1, 8, 5), ((3, 3), 2), {}),
    ("fold", (8, 4, 2, 2), ((3, 3), 2), {}),
]


@pytest.mark.parametrize(("name", "x", "args", "options"), MISTAKES)
def test_mistakes_are_of_the_same_class(name: str, x: Any, args: Any, options: Any) -> None:
    assert_same_error(
        lambda: getattr(F, name)(tensor(np.zeros(x)), *args, **options),
        lambda: getattr(T, name)(torch.zeros(x), *args, **options),
    )
