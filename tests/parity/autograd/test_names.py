"""Names of PyTorch's surface that scripts use, side by side: values, dtypes, errors and words."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import dtrain

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

X = "torch.tensor([[1., -2., 3.], [4., 5., -6.]])"
WHOLE = "torch.tensor([1, 2])"
MASK = "torch.tensor([True, False])"
CHOICES = [
    "1.", "0", "True", "200", "float('inf')", "np.float64(2)", "np.int64(3)", "np.bool_(True)",
    "torch.tensor([1, 2])", "torch.tensor([1., 2.])", "torch.tensor([1., 2.], dtype=torch.float64)",
    "torch.tensor(3)", "torch.tensor(2.5, dtype=torch.float64)", "torch.tensor([True, False])",
    "torch.tensor([1, 2], dtype=torch.uint8)", "torch.tensor(1.5, dtype=torch.float16)",
]  # fmt: skip


def value(library: ModuleType, expression: str) -> Any:
    """What an expression gives, as something that both libraries can be compared in."""
    names = {"torch": library, "nn": library.nn, "F": library.nn.functional, "np": np}
    *statements, last = expression.split(";")
    for statement in statements:
        exec(statement.strip(), names)
    return plain(eval(last.strip(), names))


def plain(result: Any) -> Any:
    if isinstance(result, torch.Tensor | dtrain.Tensor):
        numbers = np.round(np.asarray(result.detach().tolist(), float), 5) + 0.0  # no -0
        return str(result.dtype), tuple(result.shape), numbers.tolist()
    if isinstance(result, tuple | list):
        return [plain(each) for each in result]
    return result if isinstance(result, bool | int | float | None) else str(result)


def same(expression: str) -> None:
    ours, theirs = value(dtrain, expression), value(torch, expression)
    assert repr(ours) == repr(theirs), expression


def refusal(library: ModuleType, expression: str) -> Exception:
    with pytest.raises((RuntimeError, TypeError, ValueError, IndexError, OSError)) as caught:
        value(library, expression)
    return caught.value


@pytest.mark.parametrize("one", CHOICES)
@pytest.mark.parametrize("other", CHOICES)
def test_a_choice_has_pytorchs_dtype(one: str, other: str) -> None:
    same(f"torch.where({MASK}, {one}, {other})")


@pytest.mark.parametrize("number", ["np.float64(2)", "np.float32(2)", "np.int64(2)", "np.int32(2)"])
@pytest.mark.parametrize(
    "form",
    [
        "torch.add({x}, {n})", "torch.sub({x}, {n})", "torch.mul({x}, {n})", "torch.div({x}, {n})",
        "torch.floor_divide({x}, {n})", "torch.remainder({x}, {n})", "torch.fmod({x}, {n})",
        "torch.pow({x}, {n})", "torch.rsub({x}, {n})", "torch.clamp({x}, max={n})",
        "torch.copysign({x}, {n})", "{x} + {n}", "{n} * {x}", "{n} - {x}", "{x} > {n}",
        "torch.full((2,), {n})", "torch.full_like({x}, {n})", "torch.arange({n})",
        "{x}.masked_fill(" + MASK + ", {n})", "torch.tensor({n})",
    ],
)  # fmt: skip
def test_numpys_numbers_count_as_pythons(form: str, number: str) -> None:
    for x in (WHOLE, "torch.tensor([1., 2.])"):
        same(form.format(x=x, n=number))


@pytest.mark.parametrize(
    "expression",
    [
        "torch.Tensor([1, 2])", "torch.Tensor((2, 3))", "torch.Tensor(2, 3).shape",
        "torch.Tensor(torch.Size([2, 3])).shape", "torch.Tensor()", "torch.Tensor(np.arange(3))",
        "torch.Tensor(range(3))", "torch.Tensor([[1, 2], [3, 4]])", "torch.Tensor(torch.tensor(3))",
        "torch.Tensor(np.int64(3)).shape", "torch.Tensor(data=[1, 2])",
        "torch.Tensor(size=(2,)).shape", "torch.Tensor([torch.tensor(1), 2])",
        "torch.LongTensor([1.5, 2])", "torch.BoolTensor([0, 2])", "torch.ByteTensor([True])",
        "torch.DoubleTensor(np.arange(3))", "torch.HalfTensor([1])", "torch.IntTensor(3).shape",
        "torch.FloatTensor", "isinstance(torch.ones(1), torch.FloatTensor)",
        "isinstance(torch.ones(1), torch.LongTensor)",
        "isinstance(nn.Parameter(torch.ones(1)), torch.FloatTensor)",
        "torch.ones(2).type(torch.LongTensor)", "torch.ones(2).type('torch.IntTensor')",
        "torch.tensor([1]).type(torch.Tensor)", "torch.ones(2).type()", "torch.FloatTensor.dtype",
        "torch.LongTensor([1]).new([3.5, 4])", "torch.ones(2).new()",
        "torch.ones(2).new(2, 3).shape", "torch.ones(2).new_tensor([1, 2])",
        "torch.autograd.Variable(torch.ones(2), requires_grad=True).requires_grad",
        "torch.typename(torch.ones(2))", "torch.typename(3)", "torch.get_device(torch.ones(1))",
    ],
)  # fmt: skip
def test_a_tensor_is_made_as_by_pytorch(expression: str) -> None:
    same(expression)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_limits_of_floats_are_pytorchs(kind: str) -> None:
    for name in ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny"):
        same(f"torch.finfo(torch.{kind}).{name}")
    same(f"torch.finfo(torch.{kind})")


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32", "int64"])
def test_limits_of_integers_are_pytorchs(kind: str) -> None:
    same(f"[torch.iinfo(torch.{kind}).{{}}]".format("max"))
    same(f"[torch.iinfo(torch.{kind}).min, torch.iinfo(torch.{kind}).bits]")
    same(f"torch.iinfo(torch.{kind})")


@pytest.mark.parametrize(
    "expression",
    [
        "torch.pi", "torch.e", "torch.inf", "torch.nan", "torch.newaxis", "torch.strided",
        "torch.channels_last", "torch.contiguous_format", "torch.ones(2).layout",
        f"{X}.clone(memory_format=torch.preserve_format)",
        f"{X}.contiguous(memory_format=torch.contiguous_format)",
        f"torch.empty_like({X}, memory_format=torch.preserve_format).shape",
        f"{X}[:, torch.newaxis].shape", "torch.asarray([1, 2.])",
        "x = torch.ones(2); torch.asarray(x) is x", "torch.asarray(np.ones(2), copy=True)",
        f"torch.relu_({X})", f"torch.clamp_({X}, 0, 2)", f"torch.sigmoid_({X})",
        f"torch.exp_({X} * 0)", f"torch.zero_({X})", f"torch.fill_({X}, 2)",
        f"torch.conv1d({X}.unsqueeze(0), torch.ones(1, 2, 2))", f"torch.dropout({X}, 0.5, False)",
        f"torch.batch_norm({X}, None, None, None, None, True, 0.1, 1e-5, False)",
        f"torch.batch_norm({X}, None, None, torch.zeros(3), torch.ones(3), False, 0.1, 0., False)",
        f"torch.embedding({X}, torch.tensor([1, 0]))", f"torch.prelu({X}, torch.tensor([0.5]))",
        f"torch.layer_norm({X} * 0, (3,))", f"torch.threshold({X}, 0, 7)",
        f"torch.hardshrink({X})", f"torch.max_pool1d({X}, 2)", f"torch.avg_pool1d({X}, 2)",
        f"torch.adaptive_max_pool1d({X}, 1)", f"torch.group_norm({X} * 0, 3)",
        f"torch.pixel_shuffle({X}.reshape(1, 6, 1, 1)[:, :4], 2)",
        f"out = torch.empty(2, 3); torch.mul({X}, 2, out=out); out",
        f"out = torch.empty(2, 2); torch.matmul({X}, {X}.t(), out=out); out",
        f"out = torch.empty(2, 3); torch.add({X}, {X}, alpha=2, out=out); out",
        f"{X}.apply_(lambda x: x * 2)", f"{X}.map_({X}, lambda x, y: x - y)",
        f"{X}.dim_order()", f"{X}.narrow_copy(1, 0, 2)", f"{WHOLE}.ger({WHOLE})",
        f"{X}.is_pinned()", f"{X}.to_dense()", "nn.DataParallel(nn.Identity())(torch.ones(2))",
    ],
)  # fmt: skip
def test_a_name_means_the_same(expression: str) -> None:
    same(expression)


@pytest.mark.parametrize(
    "expression",
    [
        f"{X} + torch.ones(2, 4)", f"{X} * torch.ones(4)", f"{X} == torch.ones(4)",
        "torch.ones(3, 1, 4) - torch.ones(2, 3)", f"torch.where({X} > 0, torch.ones(4), 0)",
        f"x = {X}; x.add_(torch.ones(2, 4))",
        f"{X} @ torch.ones(4, 5)", f"torch.mm({X}, torch.ones(4, 5))", f"{X} @ torch.ones(4)",
        "torch.matmul(torch.ones(2, 2, 3), torch.ones(4, 5))",
        "torch.matmul(torch.ones(2, 2, 3), torch.ones(2, 4, 5))",
        "torch.ones(3) @ torch.ones(4)", f"nn.Linear(3, 4)({X}[:, :2])", "nn.Linear(2, 2)(3)",
        "nn.Conv2d(3, 4)", "nn.Conv1d(1)", "nn.Conv2d(3, 4, 3, foo=1)", "nn.ReLU(3, 4)",
        "nn.ConvTranspose2d(3, 4)", "nn.AvgPool2d()", "nn.Linear(3)",
        "nn.CrossEntropyLoss(foo=1)", "torch.zeros(2, foo=1)", "torch.ones(-1)",
        "torch.Tensor(2.0)", "torch.finfo(torch.int64)", "torch.iinfo(torch.float32)",
        "torch.iinfo(torch.bool)", "torch.autograd.Variable([1])",
        f"torch.add({WHOLE}, {WHOLE}, alpha=1.5)", "torch.load('no such file')",
    ],
)  # fmt: skip
def test_a_refusal_is_in_pytorchs_words(expression: str) -> None:
    ours, theirs = refusal(dtrain, expression), refusal(torch, expression)
    assert type(ours) is type(theirs)
    assert str(ours) == str(theirs)
