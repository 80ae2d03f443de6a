"""Arguments, printed forms, hooks and errors of optimizers: PyTorch's."""

import inspect
import re
from typing import Any

import numpy as np
import pytest

from dtrain import optim
from dtrain.autograd import wrap
from dtrain.optim import lr_scheduler
from tests.optim.test_update import optimizers

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")
database = pytest.importorskip(
    "torch.testing._internal.common_optimizers", reason="this PyTorch has no optimizer database"
)

SHARED = sorted(name for name in optimizers() if hasattr(torch.optim, name))
ERRORS = [
    pytest.param(info.name, case, id=f"{info.name}-{case.optimizer_error_input.desc}")
    for info in database.optim_db
    if info.name in SHARED
    for case in info.optim_error_inputs_func(device="cpu", dtype=torch.float32)
]


def arguments(owner: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each."""
    found = inspect.signature(owner.__init__).parameters.values()
    return [(p.name, p.kind, p.default) for p in found]


@pytest.mark.parametrize("name", SHARED)
def test_optimizers_take_pytorchs_arguments(name: str) -> None:
    assert arguments(getattr(optim, name)) == arguments(getattr(torch.optim, name))


@pytest.mark.parametrize("name", lr_scheduler.__all__)
def test_schedulers_take_pytorchs_arguments(name: str) -> None:
    theirs = arguments(getattr(torch.optim.lr_scheduler, name))
    assert arguments(getattr(lr_scheduler, name)) == theirs


def test_all_of_pytorchs_schedulers_are_there() -> None:
    assert set(torch.optim.lr_scheduler.__all__) == set(lr_scheduler.__all__)


def public(owner: Any) -> set[str]:
    return {name for name in vars(owner) if not name.startswith("_")}


def test_optimizers_have_pytorchs_methods() -> None:
    not_for_users = {"OptimizerPreHook", "OptimizerPostHook", "profile_hook_step"}
    assert public(torch.optim.Optimizer) - not_for_users <= public(optim.Optimizer)


def translated(value: Any) -> Any:
    """Arguments with PyTorch's tensors, as dtrain's."""
    if isinstance(value, torch.Tensor):
        return wrap(value.detach().numpy().copy(), requires_grad=value.requires_grad)
    if isinstance(value, dict):
        return {key: translated(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        known: dict[int, Any] = {}
        return type(value)(known.setdefault(id(each), translated(each)) for each in value)
    return value


@pytest.mark.parametrize(("name", "case"), ERRORS)
def test_the_mistakes_of_pytorchs_database_are_refused(name: str, case: Any) -> None:
    given = case.optimizer_error_input
    params = [torch.ones(1, requires_grad=True)] if given.params is None else given.params
    if given.desc == "duplicate parameters should not occur across param groups either":
        one = translated(torch.ones(1, requires_grad=True))
        ours: Any = [{"params": one}, {"params": one}]
    else:
        ours = translated(params)
    if case.error_type is UserWarning:
        with pytest.warns(UserWarning, match=case.error_regex):
            getattr(optim, name)(ours, **translated(given.kwargs))
        return
    with pytest.raises(case.error_type, match=case.error_regex):
        getattr(optim, name)(ours, **translated(given.kwargs))


@pytest.mark.parametrize("name", SHARED)
def test_the_printed_form_is_pytorchs(name: str) -> None:
    weights = [torch.ones(2, requires_grad=True) for _ in range(2)]
    groups = [{"params": [w], "lr": 0.1 * (i + 1)} for i, w in enumerate(weights)]
    theirs = repr(getattr(torch.optim, name)(groups))
    ours = repr(getattr(optim, name)(translated([dict(g) for g in groups])))
    assert ours == theirs


def hooked(library: Any, weight: Any) -> list[Any]:
    """What hooks see, in their order."""
    seen: list[Any] = []
    optimizer = library.SGD([weight])
    optimizer.register_step_pre_hook(lambda o, a, k: seen.append(("pre", len(a), sorted(k))))
    optimizer.register_step_post_hook(lambda o, a, k: seen.append(("post", len(a), sorted(k))))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("save"))
    optimizer.register_state_dict_post_hook(lambda o, s: seen.append(sorted(s)))
    optimizer.register_load_state_dict_pre_hook(lambda o, s: seen.append(sorted(s)))
    optimizer.register_load_state_dict_pre_hook(lambda o, s: seen.append("first"), prepend=True)
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    optimizer.step()
    optimizer.step(closure=lambda: None)
    optimizer.step(lambda: None)
    optimizer.load_state_dict(optimizer.state_dict())
    return seen


def test_hooks_see_what_they_see_in_pytorch() -> None:
    ours = hooked(optim, wrap(np.ones(1), requires_grad=True))
    assert ours == hooked(torch.optim, torch.ones(1, requires_grad=True))


@pytest.mark.parametrize("name", SHARED)
def test_a_bad_number_is_refused_in_pytorchs_words(name: str) -> None:
    weight = torch.ones(1, requires_grad=True)
    for argument, _, default in arguments(getattr(torch.optim, name)):
        if isinstance(default, bool) or not isinstance(default, int | float | tuple):
            continue
        bad: Any = (-1.0, 0.9) if isinstance(default, tuple) else -1.0
        try:
            getattr(torch.optim, name)([weight], **{argument: bad})
        except ValueError as error:
            with pytest.raises(ValueError, match=f"^{re.escape(str(error))}$"):
                getattr(optim, name)([translated(weight)], **{argument: bad})
