"""gradcheck and gradgradcheck take what PyTorch's take, and find the same."""

from collections.abc import Callable
from typing import Any

import pytest

import dtrain

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

Check = Callable[[Any, Any], Any]  # of a library, and of a leaf


def second(library: Any) -> Any:
    """x * x, whose gradient has no gradient of its own."""

    class Square(library.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 * ctx.saved_tensors[0].detach()

    return Square.apply


CHECKS: dict[str, Check] = {
    "one tensor": lambda t, x: t.autograd.gradcheck(t.sin, x),
    "a list": lambda t, x: t.autograd.gradcheck(t.sin, [x]),
    "several outputs": lambda t, x: t.autograd.gradcheck(lambda x: (x * x, x.sin()), (x,)),
    "an output without a gradient": lambda t, x: t.autograd.gradcheck(
        lambda x: (x * x, x.detach()), (x,)
    ),
    "tolerances": lambda t, x: t.autograd.gradcheck(t.sin, (x,), eps=1e-4, atol=1e-3, rtol=0.1),
    "options": lambda t, x: t.autograd.gradcheck(t.sin, (x,), nondet_tol=0.0, fast_mode=True),
    "a wrong one": lambda t, x: t.autograd.gradcheck(lambda x: x * x.detach(), (x,)),
    "a wrong second one": lambda t, x: t.autograd.gradcheck(
        lambda x: (x * x, x * x.detach()), (x,)
    ),
    "a wrong one, without raising": lambda t, x: t.autograd.gradcheck(
        lambda x: x * x.detach(), (x,), raise_exception=False
    ),
    "no leaf": lambda t, x: t.autograd.gradcheck(t.sin, (x.detach(),)),
    "an expanded one": lambda t, x: t.autograd.gradcheck(
        t.sin, (x.detach()[:1].expand(3).requires_grad_(),)
    ),
    "an unknown option": lambda t, x: t.autograd.gradcheck(t.sin, (x,), tolerance=1.0),
    "second, one tensor": lambda t, x: t.autograd.gradgradcheck(t.sin, x),
    "second, several outputs": lambda t, x: t.autograd.gradgradcheck(
        lambda x: (x * x * x, x.sin()), (x,)
    ),
    "second, with gradients": lambda t, x: t.autograd.gradgradcheck(
        t.sin, (x,), t.ones(2, dtype=t.float64, requires_grad=True)
    ),
    "second, a wrong one": lambda t, x: t.autograd.gradgradcheck(second(t), (x,)),
    "second, without raising": lambda t, x: t.autograd.gradgradcheck(
        second(t), (x,), raise_exception=False
    ),
}


def outcome(library: Any, check: Check) -> str:
    x = library.tensor([0.7, -1.3], dtype=library.float64, requires_grad=True)
    try:
        return str(check(library, x))
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("what", CHECKS)
def test_a_check_finds_what_pytorchs_does(what: str) -> None:
    assert outcome(dtrain, CHECKS[what]) == outcome(torch, CHECKS[what])
