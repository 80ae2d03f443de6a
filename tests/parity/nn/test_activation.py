"""Activations and the softmax family against PyTorch's: values, gradients, errors."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dtrain.nn.activation as modules
from dtrain import random
from dtrain.autograd import tensor
from dtrain.nn import functional as F

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

rng = np.random.default_rng(17)
DTYPES = [np.float32, np.float64]
TOLERANCE: dict[Any, Any] = {
    np.float32: {"rtol": 1e-5, "atol": 3e-6},
    np.float64: {"rtol": 1e-11, "atol": 1e-13},
}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("relu", {}),
    ("relu6", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 2.0}),
    ("leaky_relu", {"negative_slope": -0.5}),
    ("elu", {}),
    ("elu", {"alpha": 1.7}),
    ("selu", {}),
    ("celu", {"alpha": 0.5}),
    ("gelu", {}),
    ("gelu", {"approximate": "tanh"}),
    ("silu", {}),
    ("mish", {}),
    ("softplus", {}),
    ("softplus", {"beta": 2.0, "threshold": 1.5}),
    ("softplus", {"beta": -0.5, "threshold": -0.3}),
    ("softsign", {}),
    ("tanhshrink", {}),
    ("softshrink", {}),
    ("softshrink", {"lambd": 1.25}),
    ("hardshrink", {}),
    ("hardshrink", {"lambd": 0.0}),
    ("hardtanh", {}),
    ("hardtanh", {"min_val": -2.0, "max_val": 0.25}),
    ("hardswish", {}),
    ("hardsigmoid", {}),
    ("logsigmoid", {}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("threshold", {"threshold": 0.5, "value": -3.0}),
    ("rrelu", {}),
]
IN_PLACE = [
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "mish", "hardtanh", "hardswish",
    "hardsigmoid", "rrelu",
]  # fmt: skip
EDGES = np.array([0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0, 1e-9, -1e-9, 20.0, 20.5, -20.5])
BEYOND = np.array([np.inf, -np.inf, 1e4, -1e4, 88.0, -88.0, 120.0, -120.0])
INPUTS: dict[str, Any] = {
    "plain": rng.normal(size=(3, 50)) * 3,
    "edges": EDGES,
    "strided": rng.normal(size=(6, 8))[::2, ::-1].T,
    "number": np.array(-0.7),
    "nothing": np.zeros((0, 3)),
    "long": rng.normal(size=70_000) * 2,
}


def names(calls: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [f"{name}-{'-'.join(map(str, options.values()))}".rstrip("-") for name, options in calls]


def both(f: Callable[[Any, Any], Any], x: Any, dtype: Any) -> None:
    """Values and gradients of f(lib, x), for outputs of any shape."""
    x = np.asarray(x).astype(dtype, copy=False)
    ours, theirs = tensor(x, requires_grad=True), torch.tensor(x.copy(), requires_grad=True)
    out, expected = f(F, ours), f(torch.nn.functional, theirs)
    assert out.shape == tuple(expected.shape)
    assert out.dtype == dtype
    compare(out.detach().numpy(), expected.detach().numpy(), dtype)
    seed = np.random.default_rng(1).normal(size=out.shape).astype(dtype)
    out.backward(tensor(seed))
    expected.backward(torch.tensor(seed))
    compare(ours.grad.numpy(), theirs.grad.numpy(), dtype)


def compare(ours: Any, theirs: Any, dtype: Any) -> None:
    np.testing.assert_allclose(ours, theirs, **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", INPUTS)
@pytest.mark.parametrize(("name", "options"), CALLS, ids=names(CALLS))
def test_an_activation(name: str, options: dict[str, Any], case: str, dtype: Any) -> None:
    both(lambda lib, x: getattr(lib, name)(x, **options), INPUTS[case], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options"), CALLS, ids=names(CALLS))
def test_an_activation_of_infinite_and_huge_numbers(
    name: str, options: dict[str, Any], dtype: Any
) -> None:
    x = BEYOND[1:] if name == "mish" else BEYOND  # its gradient at infinity: inf here, nan there
    both(lambda lib, x: getattr(lib, name)(x, **options), x, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options"), CALLS, ids=names(CALLS))
def test_nan_comes_out_where_it_goes_in(name: str, options: dict[str, Any], dtype: Any) -> None:
    x = np.array([np.nan, 1.0, np.nan, -1.0], dtype)  # PyTorch's gradients depend on the position
    out = getattr(F, name)(tensor(x), **options).numpy()
    expected = getattr(torch.nn.functional, name)(torch.tensor(x), **options).numpy()
    compare(out, expected, dtype)


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_the_input_is_the_result_and_gradients_are_the_same(name: str) -> None:
    x = rng.normal(size=(4, 5))
    results = []
    for lib, make in ((F, tensor), (torch.nn.functional, torch.tensor)):
        leaf = make(x, requires_grad=True)
        inner = leaf * 2
        out = getattr(lib, name)(inner, inplace=True)
        assert out is inner
        (out * out).sum().backward()
        results.append((out.tolist(), leaf.grad.tolist()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("relu_", ()),
        ("hardtanh_", (-0.5, 0.5)),
        ("threshold_", (0.1, 4.0)),
        ("leaky_relu_", (0.2,)),
        ("rrelu_", (0.1, 0.4)),
        ("elu_", (1.5,)),
        ("selu_", ()),
        ("celu_", (1.5,)),
    ],
)
def test_names_with_an_underscore_write_into_the_input(name: str, args: Any) -> None:
    x = rng.normal(size=(4, 5))
    ours, theirs = tensor(x), torch.tensor(x)
    assert getattr(F, name)(ours, *args) is ours
    getattr(torch.nn.functional, name)(theirs, *args)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)


PRELU: dict[str, Any] = {
    "one weight": ((2, 3), (1,)),
    "a number of a weight": ((2, 3), ()),
    "channels": ((2, 3), (3,)),
    "images": ((2, 3, 4, 2), (3,)),
    "a vector": ((4,), (1,)),
    "a number": ((), (1,)),
    "nothing": ((0, 3), (3,)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", PRELU)
def test_prelu(case: str, dtype: Any) -> None:
    shape, weights = PRELU[case]
    x, w = rng.normal(size=shape).astype(dtype), rng.normal(size=weights).astype(dtype)
    pairs = [(tensor(v, requires_grad=True), torch.tensor(v, requires_grad=True)) for v in (x, w)]
    out = F.prelu(*(ours for ours, _ in pairs))
    expected = torch.nn.functional.prelu(*(theirs for _, theirs in pairs))
    compare(out.detach().numpy(), expected.detach().numpy(), dtype)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    for ours, theirs in pairs:
        compare(ours.grad.numpy(), theirs.grad.numpy(), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "dim"), [((6,), 0), ((3, 4), -1), ((2, 4, 3), 1), ((0, 4), 1)])
def test_glu(shape: tuple[int, ...], dim: int, dtype: Any) -> None:
    both(lambda lib, x: lib.glu(x, dim), rng.normal(size=shape) * 3, dtype)


SOFTMAX: dict[str, Any] = {
    "rows": (rng.normal(size=(4, 7)) * 5, -1),
    "columns": (rng.normal(size=(4, 7)) * 5, 0),
    "middle": (rng.normal(size=(2, 5, 3)), 1),
    "strided": (rng.normal(size=(6, 8))[::2, ::-1].T, 1),
    "number": (np.array(2.5), -1),
    "no rows": (np.zeros((0, 3)), 1),
    "no columns": (np.zeros((3, 0)), 1),
    "huge": (np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, 0.0]]), 1),
    "minus infinity": (np.array([[0.0, -np.inf, 1.0], [-np.inf] * 3]), 1),
    "infinity": (np.array([[0.0, np.inf, 1.0], [np.nan, 0.0, 1.0]]), 1),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", SOFTMAX)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax(name: str, case: str, dtype: Any) -> None:
    x, dim = SOFTMAX[case]
    both(lambda lib, x: getattr(lib, name)(x, dim), x, dtype)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_in_another_dtype(name: str) -> None:
    x = rng.integers(-5, 5, (3, 4))
    ours = getattr(F, name)(tensor(x), 1, dtype=np.float64)
    theirs = getattr(torch.nn.functional, name)(torch.tensor(x), 1, dtype=torch.float64)
    compare(ours.numpy(), theirs.numpy(), np.float64)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 2), (1, 2, 3, 2)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_without_a_dimension_it_is_chosen_with_a_warning(name: str, shape: Any) -> None:
    x = rng.normal(size=shape)
    with pytest.warns(UserWarning, match=f"Implicit dimension choice for {name} has been") as ours:
        out = getattr(F, name)(tensor(x))
    assert ours[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(torch.nn.functional, name)(torch.tensor(x))
    compare(out.numpy(), expected.numpy(), np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bounds", [(1 / 8, 1 / 3), (0.3, 0.9), (0.2, 0.2)])
def test_rrelu_draws_pytorchs_slopes(bounds: tuple[float, float], dtype: Any) -> None:
    x = np.append(rng.normal(size=(9, 5)), 0.0).astype(dtype)
    random.manual_seed(5)
    torch.manual_seed(5)
    ours, theirs = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out = F.rrelu(ours, *bounds, training=True)
    expected = torch.nn.functional.rrelu(theirs, *bounds, training=True)
    np.testing.assert_array_equal(out.detach().numpy(), expected.detach().numpy())
    out.sum().backward()
    expected.sum().backward()
    np.testing.assert_array_equal(ours.grad.numpy(), theirs.grad.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize(("shape", "dim"), [((3, 5), -1), ((3, 5), 0), ((), -1)])
def test_gumbel_softmax_draws_pytorchs_numbers(
    shape: Any, dim: int, hard: bool, dtype: Any
) -> None:
    def drawn(lib: Any, x: Any) -> Any:
        random.manual_seed(6)
        torch.manual_seed(6)
        return lib.gumbel_softmax(x, tau=0.7, hard=hard, dim=dim)

    both(drawn, rng.normal(size=shape), dtype)


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "relu of bools": lambda f, make: f.relu(make([True])),
    "leaky_relu of integers": lambda f, make: f.leaky_relu(make([1])),
    "elu of integers": lambda f, make: f.elu(make([1])),
    "gelu of integers": lambda f, make: f.gelu(make([1])),
    "silu of bools": lambda f, make: f.silu(make([True])),
    "softplus of integers": lambda f, make: f.softplus(make([1])),
    "softsign of bools": lambda f, make: f.softsign(make([True])),
    "tanhshrink of bools": lambda f, make: f.tanhshrink(make([True])),
    "softshrink of integers": lambda f, make: f.softshrink(make([1])),
    "hardswish of integers": lambda f, make: f.hardswish(make([1])),
    "softmax of integers": lambda f, make: f.softmax(make([1]), 0),
    "gumbel_softmax of integers": lambda f, make: f.gumbel_softmax(make([1])),
    "no such approximation": lambda f, make: f.gelu(make([1.0]), approximate="sigmoid"),
    "celu with alpha 0": lambda f, make: f.celu(make([1.0]), alpha=0),
    "a negative lambda": lambda f, make: f.softshrink(make([1.0]), -1.0),
    "an empty range": lambda f, make: f.hardtanh(make([1.0]), 1.0, -1.0),
    "slopes from an empty range": lambda f, make: f.rrelu(make([1.0]), 3.0, 1.0, True),
    "half of three": lambda f, make: f.glu(make([1.0, 2.0, 3.0])),
    "half of a number": lambda f, make: f.glu(make(1.0)),
    "half of no dimension": lambda f, make: f.glu(make([1.0, 2.0]), 1),
    "no such dimension": lambda f, make: f.softmax(make([1.0, 2.0]), 1),
    "no dimension of a number": lambda f, make: f.log_softmax(make(1.0), 1),
    "prelu of too many channels": lambda f, make: f.prelu(make([[1.0, 2.0]]), make([1.0] * 3)),
    "prelu of a vector": lambda f, make: f.prelu(make([1.0, 2.0]), make([1.0, 2.0])),
    "prelu with a matrix": lambda f, make: f.prelu(make([1.0]), make([[1.0, 2.0]])),
    "prelu of integers": lambda f, make: f.prelu(make([1]), make([1.0])),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_the_same_class_of_error(case: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        WRONG[case](torch.nn.functional, torch.tensor)
    with pytest.raises(type(theirs.value)):
        WRONG[case](F, tensor)


MODULES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    (name, (), {})
    for name in modules.__all__
    if name not in ("Threshold", "GLU", "Softmax", "Softmin", "LogSoftmax", "Softmax2d")
]
MODULES += [
    (name, (), {"inplace": True})
    for name in ("ReLU", "ReLU6", "RReLU", "Hardtanh", "SiLU", "Mish", "Hardswish", "Hardsigmoid",
                 "ELU", "CELU", "SELU", "LeakyReLU")
]  # fmt: skip
MODULES += [
    ("Threshold", (0.1, 20), {}),
    ("Threshold", (0.1, 20, True), {}),
    ("Hardtanh", (-2, 2), {}),
    ("RReLU", (0.1, 0.3), {}),
    ("ELU", (2.0,), {}),
    ("CELU", (2.0,), {}),
    ("GELU", ("tanh",), {}),
    ("LeakyReLU", (0.3,), {}),
    ("Softplus", (2.0, 3.0), {}),
    ("Hardshrink", (1.5,), {}),
    ("PReLU", (4, 0.1), {}),
    ("GLU", (1,), {}),
    ("Softmax", (-1,), {}),
    ("Softmin", (1,), {}),
    ("LogSoftmax", (0,), {}),
    ("Softmax2d", (), {}),
]


@pytest.mark.parametrize(("name", "args", "options"), MODULES, ids=str)
def test_a_module_prints_and_computes_as_pytorchs(name: str, args: Any, options: Any) -> None:
    ours, theirs = (
        getattr(modules, name)(*args, **options),
        getattr(torch.nn, name)(*args, **options),
    )
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = rng.normal(size=(2, 4, 3, 2)).astype(np.float32)
    random.manual_seed(2)
    torch.manual_seed(2)
    compare(ours(tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), np.float32)


def test_softmax2d_wants_channels() -> None:
    with pytest.raises(ValueError, match="Softmax2d: expected input to be 3D or 4D, got 2D"):
        modules.Softmax2d()(tensor([[1.0]]))


def test_a_hardtanh_needs_a_range() -> None:
    with pytest.raises(AssertionError, match="must be greater than"):
        modules.Hardtanh(1.0, -1.0)


def test_the_old_names_of_hardtanh_warn() -> None:
    with pytest.warns(FutureWarning, match="deprecated and renamed to `min_val`"):
        assert modules.Hardtanh(min_value=-3.0).min_val == -3.0
