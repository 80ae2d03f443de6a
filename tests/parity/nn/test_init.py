"""Initialisers, and the layers that start from them, draw PyTorch's numbers."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import nn
from dtrain.autograd import Tensor, wrap
from dtrain.nn import init

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

DTYPES = ("float32", "float64")
SHAPES = [(), (1,), (3,), (16,), (2, 3), (5, 7), (20, 11), (4, 3, 3), (6, 4, 3, 3), (0,), (3, 0)]


def pair(shape: tuple[int, ...], dtype: str, permuted: bool = False) -> tuple[Tensor, Any]:
    """The same zeros for both; permuted: the dimensions lie the other way round in memory."""
    shape = shape[::-1] if permuted else shape
    array = np.zeros(shape, dtype)
    ours, theirs = wrap(array), torch.from_numpy(array.copy())
    if permuted:
        axes = tuple(reversed(range(len(shape))))
        return wrap(array.transpose(axes)), theirs.permute(axes)
    return ours, theirs


def ulps(ours: Any, theirs: Any) -> float:
    """The greatest distance, in units of the last place of a number of size 1 or more."""
    a, b = ours._array, theirs.numpy()
    scale = np.spacing(np.maximum(np.abs(a), np.abs(b)).astype(a.dtype))
    return float((np.abs(a - b) / scale).max(initial=0))


DRAWS: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
    "uniform": (lambda lib, x: lib.uniform_(x), 0),
    "uniform of a range": (lambda lib, x: lib.uniform_(x, -2.5, 0.3), 1),
    "normal": (lambda lib, x: lib.normal_(x), 40),
    "normal of a mean": (lambda lib, x: lib.normal_(x, 100.0, 0.1), 2),
    "truncated": (lambda lib, x: lib.trunc_normal_(x), 40),
    "truncated narrowly": (lambda lib, x: lib.trunc_normal_(x, 0.0, 1.0, -0.5, 0.7), 40),
    "truncated in the tail": (lambda lib, x: lib.trunc_normal_(x, 0.0, 1.0, 1.0, 1.8), 1),
    "truncated very narrowly": (lambda lib, x: lib.trunc_normal_(x, 0.1, 2.0, -0.1, 0.2), 1),
}
SCALED: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
    "xavier uniform": (lambda lib, x: lib.xavier_uniform_(x, 2.0), 1),
    "xavier normal": (lambda lib, x: lib.xavier_normal_(x), 40),
    "kaiming uniform": (lambda lib, x: lib.kaiming_uniform_(x, 0.3), 1),
    "kaiming uniform relu": (
        lambda lib, x: lib.kaiming_uniform_(x, mode="fan_out", nonlinearity="relu"),
        1,
    ),
    "kaiming normal": (lambda lib, x: lib.kaiming_normal_(x, nonlinearity="tanh"), 40),
}


def compare(draw: Callable[[Any, Any], Any], ours: Tensor, theirs: Any, limit: float) -> None:
    dtrain.manual_seed(5)
    torch.manual_seed(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert draw(init, ours) is ours
        assert draw(torch.nn.init, theirs) is theirs
    assert ulps(ours, theirs) <= limit
    # both have drawn the same amount
    assert dtrain.rand(1).item() == torch.rand(1).item()


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_distribution_for_all_elements(name: str, dtype: str) -> None:
    draw, limit = DRAWS[name]
    for shape in SHAPES:
        compare(draw, *pair(shape, dtype), limit)


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_distribution_scaled_by_the_numbers_of_inputs_and_outputs(name: str, dtype: str) -> None:
    draw, limit = SCALED[name]
    for shape in SHAPES:
        if len(shape) >= 2:
            compare(draw, *pair(shape, dtype), limit)


@pytest.mark.parametrize("name", DRAWS)
def test_a_permuted_tensor_is_filled_in_the_order_of_its_memory(name: str) -> None:
    draw, limit = DRAWS[name]
    for shape in [(5, 7), (4, 3, 3)]:
        compare(draw, *pair(shape, "float32", permuted=True), limit)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 2, 2), (7, 2, 3), (0, 3), (1, 1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_orthogonal_agrees_to_rounding(shape: tuple[int, ...], dtype: str) -> None:
    ours, theirs = pair(shape, dtype)
    dtrain.manual_seed(2)
    torch.manual_seed(2)
    assert init.orthogonal_(ours, 1.5) is ours
    torch.nn.init.orthogonal_(theirs, 1.5)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=tolerance, atol=tolerance)
    assert ours.numpy().dtype == dtype


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 1.0])
def test_sparse_has_zeros_in_the_same_places(sparsity: float) -> None:
    compare(lambda lib, x: lib.sparse_(x, sparsity, 0.2), *pair((9, 6), "float32"), 40)


@pytest.mark.parametrize("shape", [(3, 3, 3), (4, 2, 5), (2, 6, 3, 4), (4, 2, 3, 3, 2)])
@pytest.mark.parametrize("groups", [1, 2])
def test_what_is_not_drawn_is_the_same(shape: tuple[int, ...], groups: int) -> None:
    calls: list[tuple[str, tuple[int, ...], tuple[Any, ...]]] = [
        ("constant_", shape, (2.5,)),
        ("ones_", shape, ()),
        ("zeros_", shape, ()),
        ("eye_", shape[:2], ()),
    ]
    if shape[0] % groups == 0:
        calls.append(("dirac_", shape, (groups,)))
    for name, size, args in calls:
        ours, theirs = pair(size, "float32")
        getattr(init, name)(ours, *args)
        getattr(torch.nn.init, name)(theirs, *args)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_a_generator_of_ones_own_is_drawn_from() -> None:
    ours, theirs = pair((4, 5), "float32")
    mine, other = dtrain.Generator().manual_seed(8), torch.Generator().manual_seed(8)
    for name in ("uniform_", "xavier_uniform_", "kaiming_uniform_"):
        getattr(init, name)(ours, generator=mine)
        getattr(torch.nn.init, name)(theirs, generator=other)
        assert ulps(ours, theirs) <= 1


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "selu", "conv_transpose2d"])
def test_gains_are_the_same(name: str) -> None:
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


@pytest.mark.parametrize("slope", [None, 0.2, 3])
def test_the_gain_of_a_leaky_relu_depends_on_its_slope(slope: float | None) -> None:
    theirs = torch.nn.init.calculate_gain("leaky_relu", slope)
    assert init.calculate_gain("leaky_relu", slope) == theirs


MISTAKES: dict[str, Callable[[Any, Any], Any]] = {
    "gain": lambda lib, x: lib.calculate_gain("swish"),
    "slope": lambda lib, x: lib.calculate_gain("leaky_relu", True),
    "mode": lambda lib, x: lib.kaiming_uniform_(x((2, 2)), mode="fan_sum"),
    "fan": lambda lib, x: lib.xavier_uniform_(x((2,))),
    "fan of he": lambda lib, x: lib.kaiming_normal_(x((2,))),
    "eye": lambda lib, x: lib.eye_(x((2, 2, 2))),
    "dirac": lambda lib, x: lib.dirac_(x((2, 2))),
    "groups": lambda lib, x: lib.dirac_(x((3, 2, 2)), 2),
    "orthogonal": lambda lib, x: lib.orthogonal_(x((2,))),
    "sparse": lambda lib, x: lib.sparse_(x((2,)), 0.5),
    "range": lambda lib, x: lib.uniform_(x((2,)), 1.5, 0.5),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_the_same_words(name: str) -> None:
    def outcome(lib: Any, at: int) -> Any:
        with pytest.raises(Exception) as caught:  # noqa: PT011  which class is what is compared
            MISTAKES[name](lib, lambda shape: pair(shape, "float32")[at])
        return type(caught.value), str(caught.value)

    assert outcome(init, 0) == outcome(torch.nn.init, 1)


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (UserWarning, lambda lib, x: lib.kaiming_uniform_(x((0, 2)))),
        (UserWarning, lambda lib, x: lib.kaiming_normal_(x((2, 0)))),
        (UserWarning, lambda lib, x: lib.trunc_normal_(x((2,)), 9.0)),
        (FutureWarning, lambda lib, x: lib.xavier_normal(x((2, 2)))),
    ],
)
def test_the_same_warnings(kind: type[Warning], call: Callable[[Any, Any], Any]) -> None:
    for lib, at in ((init, 0), (torch.nn.init, 1)):
        with pytest.warns(kind):
            call(lib, lambda shape, at=at: pair(shape, "float32")[at])


LAYERS: dict[str, Callable[[Any, Any], Any]] = {
    "linear": lambda lib, dtype: lib.Linear(37, 19, dtype=dtype),
    "linear without bias": lambda lib, dtype: lib.Linear(3, 4, False, "cpu", dtype),
    "bilinear": lambda lib, dtype: lib.Bilinear(4, 3, 5, dtype=dtype),
    "bilinear without bias": lambda lib, dtype: lib.Bilinear(4, 3, 5, bias=False, dtype=dtype),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_layers_start_from_the_same_weights(name: str, dtype: str) -> None:
    dtrain.manual_seed(1)
    torch.manual_seed(1)
    ours, theirs = LAYERS[name](nn, dtype), LAYERS[name](torch.nn, getattr(torch, dtype))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(mine.numpy(force=True), other.detach().numpy())


@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3), (0,)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bilinear_has_the_same_values_and_gradients(lead: tuple[int, ...], dtype: str) -> None:
    dtrain.manual_seed(1)
    torch.manual_seed(1)
    ours, theirs = (
        LAYERS["bilinear"](nn, dtype),
        LAYERS["bilinear"](torch.nn, getattr(torch, dtype)),
    )
    rng = np.random.default_rng(3)
    arrays = [rng.normal(size=(*lead, size)).astype(dtype) for size in (4, 3)]
    mine = [wrap(array).requires_grad_() for array in arrays]
    other = [torch.from_numpy(array).requires_grad_() for array in arrays]
    left, right = ours(*mine), theirs(*other)
    (left * left).sum().backward()
    (right * right).sum().backward()
    tolerance = 1e-4 if dtype == "float32" else 1e-11
    pairs = [(left, right)]
    pairs += zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(
            a.numpy(force=True), b.detach().numpy(), rtol=tolerance, atol=tolerance
        )
    for a, b in pairs[1:]:
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shapes", [((2, 4), (3, 3)), ((2, 5), (2, 3)), ((2, 4), (2, 4))])
def test_bilinear_refuses_the_same_shapes(shapes: tuple[tuple[int, ...], ...]) -> None:
    for lib, make in ((nn, dtrain.tensor), (torch.nn, torch.tensor)):
        inputs = [make(np.ones(shape, "float32")) for shape in shapes]
        with pytest.raises(RuntimeError):
            lib.Bilinear(4, 3, 5)(*inputs)


@pytest.mark.parametrize("make", [lambda lib: lib.Bilinear(0, 1, 1)])
def test_layers_refuse_the_same(make: Callable[[Any], Any]) -> None:
    for lib in (nn, torch.nn):
        with pytest.raises(ValueError, match="in1_features must be > 0"):
            make(lib)


def test_there_is_no_other_device() -> None:
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        nn.Linear(1, 1, device="cuda")
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        nn.Linear(1, 1).cuda()
