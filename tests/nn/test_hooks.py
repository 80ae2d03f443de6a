"""Hooks of modules, and what a call costs without them."""

import copy
import gc
import weakref
from typing import Any

import pytest

from dtrain import nn
from dtrain.autograd import tensor


def test_a_forward_hook_replaces_the_output_until_it_is_removed() -> None:
    layer, x = nn.Identity(), tensor([1.0])
    handle = layer.register_forward_hook(lambda module, args, output: output + 1)
    assert layer(x).tolist() == [2.0]
    handle.remove()
    handle.remove()
    assert layer(x) is x


def test_a_forward_pre_hook_replaces_the_arguments() -> None:
    layer = nn.Identity()
    with layer.register_forward_pre_hook(lambda module, args: args[0] * 3):
        assert layer(tensor([1.0])).tolist() == [3.0]
    assert layer(tensor([1.0])).tolist() == [1.0]


def test_hooks_run_in_order_and_prepended_ones_first() -> None:
    layer, seen = nn.Identity(), []
    for name, first in (("b", False), ("c", False), ("a", True)):
        layer.register_forward_hook(lambda *args, name=name: seen.append(name), prepend=first)
    layer(tensor([1.0]))
    assert seen == ["a", "b", "c"]


def test_a_hook_that_is_always_called_sees_a_failed_call() -> None:
    class Failing(nn.Module):
        def forward(self) -> None:
            raise ZeroDivisionError

    failing, seen = Failing(), []
    failing.register_forward_hook(lambda *args: seen.append(args[-1]), always_call=True)
    with pytest.raises(ZeroDivisionError):
        failing()
    assert seen == [None]


def test_backward_hooks_see_gradients_and_change_them() -> None:
    seen: list[Any] = []

    class Times(nn.Module):
        def forward(self, x: Any, factor: Any) -> Any:
            return x * factor

    def hook(module: nn.Module, grad_input: Any, grad_output: Any) -> Any:
        seen.append([None if g is None else g.tolist() for g in (*grad_input, *grad_output)])
        return grad_input[0] * 10, None

    times, x = Times(), tensor([2.0], requires_grad=True)
    times.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 2,))
    times.register_full_backward_hook(hook)
    times(x, 3.0).sum().backward()
    assert seen == [[[6.0], None, [2.0]]]
    assert x.grad is not None
    assert x.grad.tolist() == [60.0]


def test_a_copy_of_a_module_has_the_hooks_and_they_are_its_own() -> None:
    layer = nn.Identity()
    handle = layer.register_forward_hook(lambda module, args, output: output + 1)
    twin = copy.deepcopy(layer)
    handle.remove()
    assert twin(tensor([1.0])).tolist() == [2.0]
    assert layer(tensor([1.0])).tolist() == [1.0]


def test_a_handle_does_not_keep_its_module_alive() -> None:
    layer = nn.Identity()
    handle = layer.register_forward_hook(lambda *args: None)
    gone = weakref.ref(layer)
    del layer
    gc.collect()
    assert gone() is None
    handle.remove()


def test_a_loading_hook_of_a_copy_is_told_the_copy() -> None:
    seen = []
    layer = nn.Linear(1, 1)
    layer.register_load_state_dict_pre_hook(lambda module, *args: seen.append(module))
    twin = copy.deepcopy(layer)
    twin.load_state_dict(layer.state_dict())
    assert seen == [twin]


def test_without_hooks_a_call_goes_straight_to_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any) -> None:
        raise AssertionError("a call without hooks looked for hooks")

    monkeypatch.setattr("dtrain.nn.module.Call", never)
    x = tensor([1.0])
    assert nn.Identity()(x) is x
