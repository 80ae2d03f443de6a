"""Backward hooks of modules against PyTorch's."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import nn

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

Lib = Any
LIBRARIES = (dtrain, torch)


def module_of(lib: Lib, forward: Callable[..., Any]) -> Any:
    class Made(lib.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return forward(*args, **kwargs)

    return Made()


def leaf(lib: Lib, *values: float) -> Any:
    return lib.tensor([float(value) for value in values], requires_grad=True)


def plain(value: Any) -> Any:
    """Values of tensors, in tuples."""
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return value.tolist() if hasattr(value, "tolist") else value


def watched(lib: Lib, module: Any) -> list[Any]:
    seen: list[Any] = []
    module.register_full_backward_pre_hook(lambda m, *grads: seen.append(("pre", plain(grads))))
    module.register_full_backward_hook(lambda m, *grads: seen.append(("full", plain(grads))))
    return seen


def one_in_one_out(lib: Lib) -> Any:
    module = module_of(lib, lambda x: x * x)
    seen, x = watched(lib, module), leaf(lib, 1, 2)
    (module(x) * 3).sum().backward()
    return seen, plain(x.grad)


def several_in_several_out(lib: Lib) -> Any:
    module = module_of(lib, lambda x, factor, y, z: (x * factor, "text", y * x, z))
    x, y = leaf(lib, 1, 2), leaf(lib, 3, 4)
    seen = watched(lib, module)
    out = module(x, 2.0, y, lib.ones(1))
    (out[0] * out[2]).sum().backward()
    return seen, plain(x.grad), plain(y.grad), out[3].requires_grad


def an_output_that_is_not_used(lib: Lib) -> Any:
    module = module_of(lib, lambda x: (x * 2, x * 3))
    seen, x = watched(lib, module), leaf(lib, 1)
    module(x)[1].sum().backward()
    return seen, plain(x.grad)


def an_input_that_is_not_used(lib: Lib) -> Any:
    module = module_of(lib, lambda x, y: x * 2)
    seen, x, y = watched(lib, module), leaf(lib, 1), leaf(lib, 2)
    module(x, y).sum().backward()
    return seen, plain(x.grad), plain(y.grad)


def an_input_elsewhere_too(lib: Lib) -> Any:
    module = module_of(lib, lambda x: x * 2)
    seen, x = watched(lib, module), leaf(lib, 1)
    (module(x) + x * 10).sum().backward()
    return seen, plain(x.grad)


def no_input_with_a_gradient(lib: Lib) -> Any:
    w = leaf(lib, 2)
    module = module_of(lib, lambda x: x * w)
    seen = watched(lib, module)
    module(lib.ones(1)).sum().backward()
    return seen, plain(w.grad)


def nothing_with_a_gradient(lib: Lib) -> Any:
    module = module_of(lib, lambda x: x * 2)
    seen = watched(lib, module)
    out = module(lib.ones(1))
    with lib.no_grad():
        module(leaf(lib, 1))
    return seen, out.requires_grad


def keywords_are_not_seen(lib: Lib) -> Any:
    module = module_of(lib, lambda x, y: x * y)
    seen, x, y = watched(lib, module), leaf(lib, 1), leaf(lib, 2)
    module(x, y=y).sum().backward()
    return seen, plain(y.grad)


def replaced_gradients(lib: Lib) -> Any:
    module = module_of(lib, lambda x, y: x * y)
    x, y = leaf(lib, 1), leaf(lib, 2)
    module.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 10,))
    module.register_full_backward_hook(lambda m, grads, out: (grads[0] + 1, grads[1]))
    module.register_full_backward_hook(lambda m, grads, out: (grads[0] * 2, None), prepend=True)
    module(x, y).sum().backward()
    return plain(x.grad), plain(y.grad)


def removed(lib: Lib) -> Any:
    module = module_of(lib, lambda x: x * 2)
    seen: list[Any] = []
    with module.register_full_backward_hook(lambda *args: seen.append(1)):
        module(leaf(lib, 1)).sum().backward()
    module(leaf(lib, 1)).sum().backward()
    return seen


def twice_through_one_graph(lib: Lib) -> Any:
    module = module_of(lib, lambda x: x * x)
    seen, x = watched(lib, module), leaf(lib, 3)
    out = module(x).sum()
    out.backward(retain_graph=True)
    out.backward()
    return seen, plain(x.grad)


def higher_order(lib: Lib) -> Any:
    module = module_of(lib, lambda x: x * x * x)
    seen, x = watched(lib, module), leaf(lib, 2)
    [first] = lib.autograd.grad(module(x).sum(), [x], create_graph=True)
    first.sum().backward()
    return seen, plain(first.detach()), plain(x.grad)


def one_module_twice(lib: Lib) -> Any:
    module = module_of(lib, lambda x: x * 2)
    seen, x = watched(lib, module), leaf(lib, 1)
    module(module(x) * 5).sum().backward()
    return seen


def layers(lib: Lib) -> Any:
    model = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.ReLU(), lib.nn.Linear(2, 1))
    with lib.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    seen = [watched(lib, each) for each in model]
    model(lib.ones(3, 2)).sum().backward()
    return seen, [plain(parameter.grad) for parameter in model.parameters()]


def too_few(lib: Lib) -> Any:
    module = module_of(lib, lambda x, y: x * y)
    module.register_full_backward_hook(lambda m, grads, out: (grads[0],))
    module(leaf(lib, 1), leaf(lib, 2)).sum().backward()


def too_many(lib: Lib) -> Any:
    module = module_of(lib, lambda x: x * 2)
    module.register_full_backward_pre_hook(lambda m, grads: (grads[0], grads[0]))
    module(leaf(lib, 1)).sum().backward()


def some_for_none(lib: Lib) -> Any:
    w = leaf(lib, 2)
    module = module_of(lib, lambda x: x * w)
    module.register_full_backward_hook(lambda m, grads, out: out)
    module(lib.ones(1)).sum().backward()


def a_dictionary(lib: Lib) -> Any:
    module = module_of(lib, lambda x: {"out": x * 2})
    seen = watched(lib, module)
    module(leaf(lib, 1))["out"].sum().backward()
    return seen


SCENARIOS = [
    one_in_one_out, several_in_several_out, an_output_that_is_not_used, an_input_that_is_not_used,
    an_input_elsewhere_too, no_input_with_a_gradient, nothing_with_a_gradient,
    keywords_are_not_seen, replaced_gradients, removed, twice_through_one_graph, higher_order,
    one_module_twice, layers, too_few, too_many, some_for_none, a_dictionary,
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_backward_hooks_see_and_change_the_same(scenario: Callable[[Lib], Any]) -> None:
    def outcome(lib: Lib) -> Any:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = scenario(lib)
            except Exception as error:
                result = (type(error).__name__, str(error))
        return result, [each.category for each in caught]

    ours, theirs = map(outcome, LIBRARIES)
    assert ours == theirs


def test_without_hooks_a_call_is_its_forward() -> None:
    x = dtrain.tensor([1.0], requires_grad=True)
    assert nn.Identity()(x) is x
    np.testing.assert_array_equal(nn.Identity()(x).numpy(force=True), [1.0])
