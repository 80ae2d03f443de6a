"""Hooks on steps and checkpoints."""

import copy
from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import Tensor
from tests.optim.samples import parameter


@pytest.fixture
def optimizer() -> optim.Optimizer:
    return optim.SGD([parameter(np.ones(1, "float32"))], lr=0.5)


def test_hooks_run_before_and_after_a_step_in_their_order(optimizer: optim.Optimizer) -> None:
    seen: list[str] = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.register_step_post_hook(lambda *_: seen.append("later"))
    optimizer.step(lambda: seen.append("step"))
    assert seen == ["before", "step", "after", "later"]


def test_a_hook_gets_the_optimizer_and_the_arguments(optimizer: optim.Optimizer) -> None:
    seen: list[Any] = []
    optimizer.register_step_post_hook(lambda *args: seen.extend(args))

    def closure() -> float:
        return 1.0

    optimizer.step(closure=closure)
    assert seen == [optimizer, (optimizer,), {"closure": closure}]


def test_a_hook_may_replace_the_arguments_of_a_step(optimizer: optim.Optimizer) -> None:
    optimizer.register_step_pre_hook(lambda own, args, kwargs: ((own, lambda: "other"), {}))
    assert optimizer.step(lambda: "mine") == "other"


def test_a_hook_that_returns_anything_else_is_an_error(optimizer: optim.Optimizer) -> None:
    optimizer.register_step_pre_hook(lambda *_: 5)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple .* but got 5"):
        optimizer.step()


def test_a_removed_hook_runs_no_more(optimizer: optim.Optimizer) -> None:
    seen: list[int] = []
    handle = optimizer.register_step_pre_hook(lambda *_: seen.append(1))
    optimizer.step()
    handle.remove()
    handle.remove()
    optimizer.step()
    with optimizer.register_step_pre_hook(lambda *_: seen.append(2)):
        optimizer.step()
    optimizer.step()
    assert seen == [1, 2]


def test_hooks_of_a_state_dict_see_it_and_may_replace_it(optimizer: optim.Optimizer) -> None:
    seen: list[str] = []
    optimizer.register_state_dict_pre_hook(lambda _: seen.append("second"))
    optimizer.register_state_dict_pre_hook(lambda _: seen.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda _, saved: saved | {"more": 1})
    optimizer.register_state_dict_post_hook(lambda _, saved: saved.update(even_more=2))
    saved = optimizer.state_dict()
    assert (seen, saved["more"], saved["even_more"]) == (["first", "second"], 1, 2)


def test_hooks_of_loading_may_change_a_copy_of_what_is_loaded(optimizer: optim.Optimizer) -> None:
    def halve(_: Any, saved: dict[str, Any]) -> dict[str, Any]:
        groups = [g | {"lr": g["lr"] / 2} for g in saved["param_groups"]]
        return saved | {"param_groups": groups}

    rates: list[float] = []
    optimizer.register_load_state_dict_pre_hook(halve)
    optimizer.register_load_state_dict_pre_hook(lambda _, saved: saved.update(state={}))
    optimizer.register_load_state_dict_post_hook(lambda own: rates.append(lr_of(own)))
    saved = optimizer.state_dict()
    optimizer.load_state_dict(saved)
    assert (rates, saved["param_groups"][0]["lr"]) == ([0.25], 0.5)


def lr_of(optimizer: optim.Optimizer) -> float:
    return float(optimizer.param_groups[0]["lr"])


def test_a_copy_has_no_hooks(optimizer: optim.Optimizer) -> None:
    seen: list[Tensor] = []
    optimizer.register_step_pre_hook(lambda own, *_: seen.append(own))
    copy.deepcopy(optimizer).step()
    assert not seen
