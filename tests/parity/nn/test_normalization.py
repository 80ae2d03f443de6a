"""Norms against PyTorch's: results, gradients, running statistics, errors."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn
from dtrain.autograd import Tensor, tensor, wrap
from dtrain.nn import functional as F
from tests.parity.nn.both import (
    DTYPES,
    assert_close,
    assert_same,
    assert_same_error,
    assert_same_module,
    backward,
    modules,
    torch,
)

T = torch.nn.functional
rng = np.random.default_rng(3)


def draw(*shape: int) -> Any:
    return rng.normal(size=shape) * 2 + 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    ("shape", "normalized"),
    [
        ((5, 7), (7,)),
        ((3, 2, 4), (2, 4)),
        ((6,), (6,)),
        ((2, 1500), (1500,)),
        ((300, 130), (130,)),
        ((0, 4), (4,)),
    ],
)
def test_layer_norm_and_rms_norm(shape: Any, normalized: Any, affine: bool, dtype: str) -> None:
    weight, bias = (draw(*normalized), draw(*normalized)) if affine else (None, None)
    values = (draw(*shape), weight, bias)
    rows = {"atol": 1e-4} if dtype == "float32" and shape[0] > 100 else {}  # sums of many terms
    assert_same(
        lambda x, w, b: F.layer_norm(x, normalized, w, b, 1e-3),
        lambda x, w, b: T.layer_norm(x, normalized, w, b, 1e-3),
        values,
        dtype,
        **rows,
    )
    for eps in (None, 0.1):
        assert_same(
            lambda x, w, eps=eps: F.rms_norm(x, normalized, w, eps),
            lambda x, w, eps=eps: T.rms_norm(x, normalized, w, eps),
            values[:2],
            dtype,
            **rows,
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "groups"), [((3, 6), 2), ((2, 6, 5), 3), ((2, 4, 3, 5), 4), ((0, 4, 2), 2)]
)
def test_group_norm(shape: Any, groups: int, dtype: str) -> None:
    weight, bias = draw(shape[1]), draw(shape[1])
    for values in ((draw(*shape), weight, bias), (draw(*shape), None, None)):
        assert_same(
            lambda *each: F.group_norm(each[0], groups, *each[1:]),
            lambda *each: T.group_norm(each[0], groups, *each[1:]),
            values,
            dtype,
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_of_an_input_that_is_not_contiguous(dtype: str) -> None:
    x = draw(5, 4, 3).transpose(1, 2, 0)  # (4, 3, 5)
    assert_same(lambda x: F.layer_norm(x, (5,)), lambda x: T.layer_norm(x, (5,)), (x,), dtype)
    assert_same(lambda x: F.group_norm(x, 3), lambda x: T.group_norm(x, 3), (x,), dtype)
    assert_same(
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: T.batch_norm(x, None, None, training=True),
        (x,),
        dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 3, 4, 4), (1, 6, 3)])
def test_local_response_norm(shape: Any, dtype: str) -> None:
    for size in (1, 2, 3, 9):
        assert_same(
            lambda x, size=size: F.local_response_norm(x, size, 0.3, 0.6, 2.0),
            lambda x, size=size: T.local_response_norm(x, size, 0.3, 0.6, 2.0),
            (draw(*shape),),
            dtype,
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (3, 2, 4, 4), (70, 600), (2, 2, 2, 3, 2)])
def test_batch_norm(shape: Any, training: bool, dtype: str) -> None:
    channels = shape[1]
    running = [draw(channels), draw(channels) ** 2]
    mine = [wrap(each.astype(dtype)) for each in running]
    other = [torch.tensor(each.astype(dtype)) for each in running]
    for affine in ((draw(channels), draw(channels)), (None, None)):
        assert_same(
            lambda x, w, b: F.batch_norm(x, *mine, w, b, training, 0.3, 1e-3),
            lambda x, w, b: T.batch_norm(x, *other, w, b, training, 0.3, 1e-3),
            (draw(*shape), *affine),
            dtype,
        )
    for one, two in zip(mine, other, strict=True):
        assert_close(one, two, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_instance_norm_moves_its_statistics(dtype: str) -> None:
    mine = [wrap(np.full(3, value, dtype)) for value in (0.0, 1.0)]
    other = [torch.tensor(each.numpy().copy()) for each in mine]
    for use_input in (True, False):
        assert_same(
            lambda x, w, b, use=use_input: F.instance_norm(x, *mine, w, b, use, 0.3),
            lambda x, w, b, use=use_input: T.instance_norm(x, *other, w, b, use, 0.3),
            (draw(4, 3, 5), draw(3), draw(3)),
            dtype,
        )
    for one, two in zip(mine, other, strict=True):
        assert_close(one, two, dtype)


MODULES: list[Any] = [
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), {"momentum": None}, (5, 3, 2)),
    ("BatchNorm1d", (3,), {"affine": False, "momentum": 0.4, "eps": 0.1}, (5, 3)),
    ("BatchNorm1d", (3,), {"bias": False, "track_running_stats": False}, (5, 3)),
    ("BatchNorm2d", (3,), {}, (2, 3, 4, 4)),
    ("BatchNorm3d", (2,), {}, (2, 2, 2, 2, 2)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 4)),
    ("InstanceNorm1d", (3,), {"affine": True, "track_running_stats": True}, (3, 4)),
    ("InstanceNorm2d", (3,), {"track_running_stats": True, "momentum": None}, (2, 3, 2, 2)),
    ("InstanceNorm3d", (2,), {"affine": True}, (1, 2, 2, 2, 2)),
    ("LayerNorm", (4,), {}, (2, 3, 4)),
    ("LayerNorm", ([3, 4],), {"bias": False}, (2, 3, 4)),
    ("LayerNorm", (4,), {"elementwise_affine": False}, (2, 4)),
    ("RMSNorm", (4,), {}, (2, 3, 4)),
    ("RMSNorm", ((3, 4),), {"elementwise_affine": False, "eps": 0.1}, (2, 3, 4)),
    ("GroupNorm", (2, 4), {}, (2, 4, 3)),
    ("GroupNorm", (2, 4), {"affine": False}, (2, 4, 3)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "args", "options", "shape"), MODULES)
def test_a_module_over_some_steps(
    name: str, args: Any, options: Any, shape: Any, dtype: str
) -> None:
    mine, other = modules(name, *args, **options, dtype=dtype)
    assert repr(mine) == repr(other)
    for step in range(5):
        if step == 4:
            mine.eval()
            other.eval()
        x = draw(*shape).astype(dtype)
        ours = tensor(x, requires_grad=True)
        theirs = torch.tensor(x, requires_grad=True)
        backward(mine(ours), other(theirs), dtype)  # gradients add up over the steps
        assert_close(ours.grad, theirs.grad, dtype)
        assert_same_module(mine, other, dtype)


def test_local_response_norm_prints_as_pytorchs() -> None:
    mine, other = modules("LocalResponseNorm", 2, beta=0.5)
    assert repr(mine) == repr(other)


def test_a_momentum_that_is_changed_counts_from_then_on() -> None:
    mine, other = modules("BatchNorm1d", 3)
    for momentum in (0.1, None, None, 0.5):
        mine.momentum = other.momentum = momentum
        x = draw(4, 3).astype("f")
        mine(tensor(x))
        other(torch.tensor(x))
    assert_same_module(mine, other, "float32")


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_nothing_at_all(training: bool) -> None:
    assert_same(
        lambda x: F.batch_norm(x, x.detach(), x.detach(), training=training),
        lambda x: T.batch_norm(x, x.detach(), x.detach(), training=training),
        (np.zeros(0),),
        "float64",
    )


def test_an_empty_batch_leaves_the_statistics_alone() -> None:
    mine, other = modules("BatchNorm1d", 3)
    assert mine(tensor(np.zeros((0, 3), "f"))).shape == (0, 3)
    other(torch.zeros(0, 3))
    assert_same_module(mine, other, "float32")


ERRORS: dict[str, Any] = {
    "a single value per channel": lambda lib, F: F.batch_norm(
        lib.ones(1, 3), None, None, training=True
    ),
    "no statistics": lambda lib, F: F.batch_norm(lib.ones(2, 3), None, None),
    "statistics of another size": lambda lib, F: F.batch_norm(
        lib.ones(2, 3), lib.ones(4), lib.ones(4)
    ),
    "weights of another size": lambda lib, F: F.batch_norm(
        lib.ones(2, 3), lib.ones(3), lib.ones(3), lib.ones(2)
    ),
    "no channels": lambda lib, F: F.batch_norm(lib.ones(3), None, None, training=True),
    "integers": lambda lib, F: F.layer_norm(lib.ones(2, 3, dtype=lib.int64), (3,)),
    "another width": lambda lib, F: F.layer_norm(lib.ones(2, 3), (2,)),
    "no shape": lambda lib, F: F.layer_norm(lib.ones(2, 3), ()),
    "a layer's weights": lambda lib, F: F.layer_norm(lib.ones(2, 3), (3,), lib.ones(2)),
    "two dtypes": lambda lib, F: F.layer_norm(lib.ones(2, 3), (3,), lib.ones(3, dtype=lib.float64)),
    "a single element per group": lambda lib, F: F.group_norm(lib.ones(1, 3), 3),
    "groups that do not go in": lambda lib, F: F.group_norm(lib.ones(2, 3), 2),
    "groups of one dimension": lambda lib, F: F.group_norm(lib.ones(4), 2),
    "a single element per instance": lambda lib, F: F.instance_norm(lib.ones(2, 3, 1)),
    "instances without statistics": lambda lib, F: F.instance_norm(
        lib.ones(2, 3, 2), use_input_stats=False
    ),
    "two dimensions": lambda lib, F: F.local_response_norm(lib.ones(2, 3), 2),
    "a negative eps": lambda lib, F: F.batch_norm(
        lib.ones(2, 3), lib.ones(3), lib.ones(3), eps=-1.0
    ),
    "BatchNorm2d of a matrix": lambda lib, F: lib.nn.BatchNorm2d(3)(lib.ones(2, 3)),
    "GroupNorm that does not go in": lambda lib, F: lib.nn.GroupNorm(2, 3),
    "InstanceNorm of other channels": lambda lib, F: lib.nn.InstanceNorm1d(3, affine=True)(
        lib.ones(2, 4, 2)
    ),
}


class Ours:
    """What the cases need of dtrain."""

    nn, int64, float64 = nn, np.int64, np.float64

    @staticmethod
    def ones(*size: int, dtype: Any = np.float32) -> Tensor:
        return wrap(np.ones(size, dtype))


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_input_is_an_error_of_the_same_class(case: str) -> None:
    assert_same_error(lambda: ERRORS[case](Ours, F), lambda: ERRORS[case](torch, T))


def test_a_single_value_per_channel_is_told_in_pytorchs_words() -> None:
    with pytest.raises(ValueError, match="more than 1 value") as other:
        torch.nn.BatchNorm1d(3)(torch.ones(1, 3))
    with pytest.raises(ValueError, match="more than 1 value") as mine:
        nn.BatchNorm1d(3)(Ours.ones(1, 3))
    assert str(mine.value) == str(other.value)
