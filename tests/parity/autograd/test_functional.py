"""Jacobians and Hessians beside PyTorch's."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import dtrain

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

SETUP = """
x = torch.tensor([1., -2., 0.5], requires_grad=True)
y = torch.tensor([[2., 3.], [-1., 0.5]])
f = lambda t: torch.sin(t) * t.sum()
two = lambda s, t: (s.exp() @ s, t * s[:2], t @ t)
number = lambda t: (t ** 3).sum() * t[0]
both = lambda s, t: (s ** 2).sum() * (t ** 3).sum()
from_ = torch.autograd.functional
"""


def result(library: ModuleType, expression: str) -> Any:
    names: dict[str, Any] = {"torch": library}
    exec(SETUP, names)
    return plain(eval(expression, names))


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return str(value.dtype), tuple(value.shape), value.requires_grad, value.detach().tolist()


def numbers(value: Any) -> list[float]:
    if isinstance(value, list | tuple):
        return [number for each in value for number in numbers(each)]
    return [float(value)] if isinstance(value, int | float) else []


@pytest.mark.parametrize(
    "expression",
    [
        "from_.jacobian(f, x)", "from_.jacobian(f, (x,))", "from_.jacobian(two, (x, y))",
        "from_.jacobian(f, x, create_graph=True)",
        "from_.jacobian(lambda t: torch.ones(2), x)", "from_.hessian(number, x)",
        "from_.hessian(both, (x, y))", "from_.hessian(number, x, create_graph=True)",
        "from_.vjp(f, x, torch.ones(3))", "from_.vjp(number, x)",
        "from_.vjp(two, (x, y), (torch.tensor(1.), torch.ones(2, 2), y))",
        "from_.jvp(f, x, torch.ones(3))", "from_.jvp(two, (x, y), (torch.ones(3), y))",
        "from_.hvp(number, x, torch.ones(3))", "from_.vhp(number, x, torch.ones(3))",
        "from_.vhp(both, (x, y), (torch.ones(3), y))",
    ],
)  # fmt: skip
def test_a_derivative_is_pytorchs(expression: str) -> None:
    ours, theirs = result(dtrain, expression), result(torch, expression)
    np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "expression",
    [
        "from_.hessian(f, x)", "from_.vjp(f, x)", "from_.vjp(f, x, torch.ones(2))",
        "from_.jacobian(lambda t: torch.ones(2), x, strict=True)", "from_.jacobian(f, 3)",
        "from_.jacobian(lambda t: 3, x)",
    ],
)  # fmt: skip
def test_what_pytorch_refuses_is_refused(expression: str) -> None:
    with pytest.raises((RuntimeError, TypeError)) as theirs:
        result(torch, expression)
    with pytest.raises(theirs.type):
        result(dtrain, expression)
