"""Tensor against PyTorch's: the same expression on both, values, gradients, dtypes and errors."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dtrain.autograd import functions, tensor
from dtrain.nn import functional as F

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

rng = np.random.default_rng(3)
SHAPES: dict[str, Any] = {
    "matrix": rng.uniform(0.5, 2.0, (3, 4)),
    "turned": rng.uniform(0.5, 2.0, (4, 3)).T,
    "scalar": np.array(1.5),
    "empty": np.zeros((0, 4)),
    "negative": rng.uniform(-2.0, -0.5, (2, 3, 4)),
}
UNARY: dict[str, Callable[[Any], Any]] = {
    **{
        name: operator.methodcaller(name)
        for name in ("exp", "log", "sqrt", "abs", "tanh", "sigmoid", "relu", "sign", "sum", "mean")
    },
    "neg": operator.neg,
    "square": lambda t: t**2,
    "cube": lambda t: t**3.0,
    "power of 0": lambda t: t**0,
    "2 to the power": lambda t: 2**t,
    "add a number": lambda t: 1.5 + t,
    "subtract from a number": lambda t: 2 - t,
    "divide": lambda t: t / 3,
    "divide a number": lambda t: 2 / t,
    "sum over the last": lambda t: t.sum(-1),
    "mean over the first, kept": lambda t: t.mean(0, keepdim=True),
    "softmax": lambda t: t.softmax(-1),
    "log_softmax": lambda t: t.log_softmax(0),
    "flatten": lambda t: t.flatten(),
    "reshape": lambda t: t.reshape(-1) if t.numel() else t,
    "unsqueeze": lambda t: t.unsqueeze(-1),
    "squeeze": lambda t: t.unsqueeze(0).squeeze(0),
    "clone": lambda t: t.clone(),
    "used twice": lambda t: t * t + t,
    "double": lambda t: t.double() * 2,
}
MATRIX: dict[str, Callable[[Any], Any]] = {
    "max": lambda t: t.max(),
    "min": lambda t: t.min(),
    "amax": lambda t: t.amax(1),
    "max values": lambda t: t.max(1).values,
    "min values, kept": lambda t: t.min(dim=0, keepdim=True)[0],
    "transpose": lambda t: t.transpose(0, 1) * 2,
    "T": lambda t: t.T.reshape(2, 6),
    "permute": lambda t: t.permute(1, 0),
    "view": lambda t: t.view(2, -1),
    "expand": lambda t: t.unsqueeze(1).expand(3, 2, -1),
    "index": lambda t: t[1],
    "slice": lambda t: t[1:, ::2],
    "none and ellipsis": lambda t: t[None, ..., -1],
    "repeated index": lambda t: t[[0, 0, 2]],
    "mask": lambda t: t[t > 1],
    "gram": lambda t: t @ t.T,
    "matrix and vector": lambda t: t @ t[0],
    "vector and matrix": lambda t: t[:, 0] @ t,
    "dot": lambda t: t[0] @ t[1],
    "batched": lambda t: t.reshape(3, 2, 2) @ t[:, :2].reshape(3, 2, 1),
    "split rows": lambda t: sum(row.exp() * at for at, row in enumerate(t)),
}


def both(array: Any, dtype: Any = np.float64) -> tuple[Any, Any]:
    """The array as a leaf of either engine."""
    array = array.astype(dtype, order="K")
    theirs = torch.from_numpy(array.copy(order="K")).requires_grad_()
    return functions.from_numpy(array).requires_grad_(), theirs


def assert_same(ours: Any, theirs: Any, tolerance: float | None = None) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype) == str(theirs.dtype)
    if tolerance is None:
        tolerance = 1e-12 if ours.dtype == np.float64 else 2e-6
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance
    )


def assert_same_with_gradient(function: Any, array: Any, dtype: Any) -> None:
    ours, theirs = both(array, dtype)
    out, expected = function(ours), function(theirs)
    assert_same(out, expected)
    seed = np.random.default_rng(1).normal(size=out.shape).astype(out.dtype)
    out.backward(tensor(seed))
    expected.backward(torch.from_numpy(np.array(seed)))
    assert_same(ours.grad, theirs.grad)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNARY)
def test_values_and_gradients_of_one_tensor(name: str, shape: str, dtype: Any) -> None:
    if shape == "empty" and name in ("mean over the first, kept", "log_softmax"):
        pytest.skip("nothing to reduce")
    if shape == "scalar" and name in ("mean over the first, kept",):
        pytest.skip("no dimension 0")
    if shape == "negative" and name in ("log", "sqrt"):
        pytest.skip("nan: see the test of nan and inf")
    assert_same_with_gradient(UNARY[name], SHAPES[shape], dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MATRIX)
def test_values_and_gradients_of_one_matrix(name: str, dtype: Any) -> None:
    assert_same_with_gradient(MATRIX[name], SHAPES["matrix"], dtype)


@pytest.mark.parametrize("function", [lambda t: t.log(), lambda t: t.sqrt(), lambda t: 1 / t])
def test_nan_and_inf_come_out_where_pytorch_has_them(function: Any) -> None:
    assert_same_with_gradient(function, np.array([-1.0, 0.0, 1.0]), np.float32)


KINDS: dict[str, Any] = {
    "float32": np.ones((2, 1), np.float32),
    "float64": np.ones(3),
    "int64": np.ones(3, np.int64),
    "int32": np.ones((2, 3), np.int32),
    "uint8": np.ones(3, np.uint8),
    "bool": np.ones(3, bool),
    "0-dim float64": np.array(2.0),
    "0-dim float32": np.array(2.0, np.float32),
    "0-dim int64": np.array(2),
}
NUMBERS: dict[str, Any] = {
    "number 2.5": 2.5,
    "number 3": 3,
    "number True": True,
    "numpy float64": np.float64(2.5),
}


@pytest.mark.parametrize("sign", ["add", "mul", "truediv", "pow", "gt", "eq"])
@pytest.mark.parametrize("right", [*KINDS, *NUMBERS])
@pytest.mark.parametrize("left", KINDS)
def test_dtypes_are_promoted_as_pytorch_does(left: str, right: str, sign: str) -> None:
    if sign == "pow" and "bool" in left and ("bool" in right or "True" in right):
        pytest.skip("PyTorch has no power of two bools")
    apply = getattr(operator, sign)
    ours = tensor(KINDS[left]), NUMBERS.get(right)
    theirs = torch.tensor(KINDS[left]), NUMBERS.get(right)
    if right in KINDS:
        ours, theirs = (ours[0], tensor(KINDS[right])), (theirs[0], torch.tensor(KINDS[right]))
    assert_same(apply(*ours), apply(*theirs))


@pytest.mark.parametrize("right", [SHAPES["matrix"], np.array(0.5), rng.uniform(1, 2, (2, 1, 4))])
@pytest.mark.parametrize("sign", ["add", "sub", "mul", "truediv", "pow"])
@pytest.mark.parametrize("types", [("f", "f"), ("f", "d"), ("d", "f")])
def test_gradients_take_the_shape_and_dtype_of_their_input(
    types: Any, sign: str, right: Any
) -> None:
    left = SHAPES["matrix"][1]
    pairs = [both(left, types[0]), both(right, types[1])]
    out, expected = (getattr(operator, sign)(*each) for each in zip(*pairs, strict=True))
    assert_same(out, expected)
    out.sum().backward()
    expected.sum().backward()
    for ours, theirs in pairs:
        assert_same(ours.grad, theirs.grad, 2e-6)


def test_cat_stack_where_and_maximum() -> None:
    for function in (
        lambda lib, a, b: lib.cat([a, b], 1),
        lambda lib, a, b: lib.cat((a, b, a)),
        lambda lib, a, b: lib.stack([a, b], -1),
        lambda lib, a, b: lib.where(a > b, a, b * 2),
        lambda lib, a, b: lib.where(a > 1, a, 0.0),
        lambda lib, a, b: lib.maximum(a, b),
        lambda lib, a, b: lib.minimum(a, a),
    ):
        pairs = [both(SHAPES["matrix"]), both(SHAPES["turned"])]
        out = function(functions, *(each[0] for each in pairs))
        expected = function(torch, *(each[1] for each in pairs))
        assert_same(out, expected)
        (out * out).sum().backward()
        (expected * expected).sum().backward()
        for ours, theirs in pairs:
            if theirs.grad is not None:
                assert_same(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    "data", [1, 1.5, True, [1, 2], [[1.0, 2], [3, 4]], np.ones(2), np.float64(1), [], np.arange(3)]
)
def test_tensor_infers_the_dtype(data: Any) -> None:
    assert_same(tensor(data), torch.tensor(data))


@pytest.mark.parametrize("args", [(3,), (1, 4), (0, 1, 0.25), (5.0,), (4, 0, -1)], ids=str)
def test_arange(args: Any) -> None:
    assert_same(functions.arange(*args), torch.arange(*args))


MISTAKES: dict[str, Callable[[Any, Any], Any]] = {
    "shapes that do not broadcast": lambda make, _: make([1.0, 2]) + make([1.0, 2, 3]),
    "matmul of wrong shapes": lambda make, _: make([[1.0, 2]]) @ make([[1.0, 2]]),
    "matmul of dtypes": lambda make, _: make([[1.0]]) @ make([[1]]),
    "matmul of a scalar": lambda make, _: make(1.0) @ make([1.0]),
    "reshape": lambda make, _: make([1.0, 2, 3]).reshape(2, 2),
    "sum over no such dimension": lambda make, _: make([1.0]).sum(1),
    "softmax over no such dimension": lambda make, _: make([1.0]).softmax(1),
    "argmax over no such dimension": lambda make, _: make([1.0]).argmax(3),
    "mean of integers": lambda make, _: make([1, 2]).mean(),
    "item of two": lambda make, _: make([1, 2]).item(),
    "truth of two": lambda make, _: bool(make([1, 2])),
    "index out of range": lambda make, _: make([1, 2])[5],
    "len of a scalar": lambda make, _: len(make(1.0)),
    "iterating over a scalar": lambda make, _: list(make(1.0)),
    "gradient for integers": lambda make, _: make([1]).requires_grad_(),
    "numpy of a leaf": lambda make, _: make([1.0]).requires_grad_().numpy(),
    "backward from two": lambda make, _: (make([1.0, 2]).requires_grad_() * 2).backward(),
    "backward from nothing": lambda make, _: make(1.0).backward(),
    "gradient of another shape": lambda make, _: make([1.0]).requires_grad_().backward(make(1.0)),
    "linear": lambda make, f: f.linear(make([[1.0, 2]]), make([[1.0, 2, 3]])),
    "linear of dtypes": lambda make, f: f.linear(make([[1]]), make([[1.0]])),
    "label too large": lambda make, f: f.cross_entropy(make([[1.0, 2]]), make([2])),
    "label too small": lambda make, f: f.cross_entropy(make([[1.0, 2]]), make([-1])),
    "label of a float": lambda make, f: f.nll_loss(make([[1.0, 2]]), make([1.0])),
    "labels too many": lambda make, f: f.cross_entropy(make([[1.0, 2]]), make([0, 1])),
    "no such reduction": lambda make, f: f.cross_entropy(
        make([[1.0, 2]]), make([1]), reduction="average"
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_raise_pytorchs_classes(name: str) -> None:
    def raised(make: Any, functional: Any) -> type[BaseException]:
        with pytest.raises(Exception) as caught:  # noqa: PT011  the class is what is compared
            MISTAKES[name](make, functional)
        return caught.type

    assert raised(tensor, F) is raised(torch.tensor, torch.nn.functional)
