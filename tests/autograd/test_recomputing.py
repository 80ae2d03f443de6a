"""utils.checkpoint: forward forgets, backward computes again."""

from collections.abc import Callable

import numpy as np
import pytest

import dtrain
from dtrain import Tensor, nn
from dtrain.utils.checkpoint import checkpoint, checkpoint_sequential


@pytest.fixture
def model() -> nn.Sequential:
    dtrain.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))


def gradients(model: nn.Module, out: Tensor, x: Tensor) -> list[list[float]]:
    for each in (*model.parameters(), x):
        each.grad = None
    (out * out).sum().backward()
    return [each.grad.tolist() for each in (*model.parameters(), x) if each.grad is not None]


def test_gradients_are_those_of_a_plain_call_dropout_included(model: nn.Sequential) -> None:
    x = dtrain.randn(5, 3, requires_grad=True)
    state = dtrain.get_rng_state()
    plain, number = gradients(model, model(x), x), dtrain.rand(1).item()
    dtrain.set_rng_state(state)
    again = gradients(model, checkpoint(model, x, use_reentrant=False), x)
    assert again == plain
    assert dtrain.rand(1).item() == number


def test_parameters_get_gradients_where_the_input_needs_none(model: nn.Sequential) -> None:
    x = dtrain.randn(5, 3)
    assert len(gradients(model, checkpoint(model, x), x)) == 4


def test_the_second_derivative_goes_through(model: nn.Sequential) -> None:
    x = dtrain.randn(3, requires_grad=True)
    model.eval()
    slopes = []
    for out in (model(x), checkpoint(model, x)):
        (slope,) = dtrain.autograd.grad((out**3).sum(), x, create_graph=True)
        slopes.append(dtrain.autograd.grad(slope.square().sum(), x)[0].tolist())
    assert np.allclose(*slopes, rtol=1e-5)


def test_a_hook_of_a_parameter_is_called_once(model: nn.Sequential) -> None:
    x = dtrain.randn(5, 3)
    seen: list[Tensor] = []
    model[0].weight.register_hook(seen.append)
    checkpoint(model, x).sum().backward()
    assert len(seen) == 1


def test_nothing_is_kept_between_forward_and_backward() -> None:
    kept: list[Tensor] = []

    def function(x: Tensor) -> Tensor:
        kept.append(x.exp())
        return kept[-1].sin()

    x = dtrain.ones(2, requires_grad=True)
    out = checkpoint(function, x)
    kept[0]._array[...] = np.nan
    out.sum().backward()
    assert x.grad is not None
    assert np.allclose(x.grad, np.cos(np.e) * np.e)


def test_segments_of_a_sequence_are_each_computed_again(model: nn.Sequential) -> None:
    x = dtrain.randn(5, 3, requires_grad=True)
    state = dtrain.get_rng_state()
    plain = gradients(model, model(x), x)
    dtrain.set_rng_state(state)
    assert gradients(model, checkpoint_sequential(model, 2, x), x) == plain


def test_a_function_must_return_tensors() -> None:
    with pytest.raises(TypeError, match="must return a Tensor"):
        checkpoint(lambda x: {"x": x}, dtrain.ones(1, requires_grad=True))


def test_an_input_given_twice_or_made_of_another_gets_its_gradient_once() -> None:
    def slopes(call: Callable[..., Tensor]) -> list[list[float]]:
        w = dtrain.ones(3, requires_grad=True)
        x = w * 3
        out = call(lambda a, b, c: (a * b * c * w).sin(), x, x, w)
        (first,) = dtrain.autograd.grad(out.sum(), w, create_graph=True)
        (second,) = dtrain.autograd.grad(first.sum(), w)
        return [first.tolist(), second.tolist()]

    assert np.allclose(slopes(checkpoint), slopes(lambda f, *args: f(*args)), rtol=1e-5)


def test_what_was_computed_before_is_passed_once_and_its_hooks_are_called_once() -> None:
    def slopes(call: Callable[..., Tensor]) -> list[list[float]]:
        w = dtrain.ones(3, requires_grad=True)
        h, seen = (w * w).exp(), []
        h.register_hook(lambda gradient: seen.append(gradient.tolist()))
        (call(lambda a: (a * h).sin(), w * 2).sum() + h.sum()).backward()
        assert w.grad is not None
        assert len(seen) == 1
        return [w.grad.tolist(), *seen]

    assert np.allclose(slopes(checkpoint), slopes(lambda f, *args: f(*args)))


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: x.mul_(3).sin(), id="changes its input"),
        pytest.param(lambda x: x * np.random.random(), id="draws from another generator"),
    ],
)
def test_a_function_that_differs_the_second_time_is_an_error(
    function: Callable[[Tensor], Tensor],
) -> None:
    out = checkpoint(function, dtrain.ones(2, requires_grad=True) * 2)
    with pytest.raises(RuntimeError, match="returned other numbers"):
        out.sum().backward()


def test_an_output_without_a_gradient_stays_one() -> None:
    x = dtrain.ones(2, requires_grad=True)
    plain, other = checkpoint(lambda x: (x.detach() * 2, x * 3), x)
    assert not plain.requires_grad
    assert not checkpoint(lambda x: x.detach(), x).requires_grad
    (plain * other).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [6.0, 6.0]
