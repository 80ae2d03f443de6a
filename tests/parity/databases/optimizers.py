"""PyTorch's optimizer database on both engines: one problem, the arguments of the database."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import dtrain
from dtrain.autograd import Tensor
from tests.parity.databases.modules import outcome
from tests.parity.databases.runner import close, ours

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

INFOS = {info.optim_cls.__name__: info for info in optim_db}
SHAPES = [(3, 4), (3,), (), (0, 2)]  # a weight, a bias, a temperature, and nothing


def optimizers() -> list[str]:
    """The entries that dtrain has."""
    return [name for name in INFOS if hasattr(dtrain.optim, name)]


def absent_optimizers() -> list[str]:
    """Those that it has not."""
    return sorted(set(INFOS) - set(optimizers()))


def options(name: str) -> list[dict[str, Any]]:
    """The arguments of an entry. Those for other devices and implementations (`capturable`,
    `foreach`, `fused`) are not among them on a CPU."""
    return [each.kwargs for each in INFOS[name].optim_inputs_func("cpu", torch.float64)]


def parameters(library: Any, dtype: str) -> list[Any]:
    """The same leaves on either side, the first with its dimensions exchanged in memory."""
    rng = np.random.default_rng(0)
    made = []
    for shape in SHAPES:
        array = np.asfortranarray(rng.normal(size=shape).astype(dtype))
        made.append(library.from_numpy(array).requires_grad_())
    return made


def loss(library: Any, leaves: list[Any]) -> Any:
    """Squared errors of a small model, of random data."""
    rng = np.random.default_rng(1)
    dtype = str(leaves[0].dtype).removeprefix("torch.")
    x, y = (library.from_numpy(rng.normal(size=(8, n)).astype(dtype)) for n in (4, 3))
    weight, bias, temperature, nothing = leaves
    return ((x @ weight.T + bias) * temperature - y).pow(2).mean() + nothing.sum()


def trained(
    library: Any, name: str, kwargs: dict[str, Any], dtype: str, steps: int, by_group: bool = False
) -> tuple[list[Any], Any]:
    """The leaves and the optimizer after some steps; `by_group` each leaf has a rate of its own."""
    leaves = parameters(library, dtype)
    groups = [{"params": [each], "lr": 0.01 / (at + 1)} for at, each in enumerate(leaves)]
    optimizer = getattr(library.optim, name)(groups if by_group else leaves, **kwargs)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(library, leaves).backward()
        optimizer.step()
    return leaves, optimizer


def compare_optimizers(
    name: str, kwargs: dict[str, Any], dtype: str, steps: int, by_group: bool = False
) -> None:
    """Raises AssertionError where parameters or states differ."""
    expected, theirs = trained(torch, name, kwargs, dtype, steps, by_group)
    got, mine = trained(dtrain, name, ours(kwargs, torch), dtype, steps, by_group)
    for one, other in zip(got, expected, strict=True):
        close(one.detach().numpy(), other.detach().numpy())
    saved, wanted = mine.state_dict(), theirs.state_dict()
    assert list(saved["state"]) == list(wanted["state"])
    for at, entries in wanted["state"].items():
        same_entries(saved["state"][at], entries)
    for group, other in zip(saved["param_groups"], wanted["param_groups"], strict=True):
        assert list(group) == list(other)


def same_entries(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    """The state of one parameter."""
    assert list(mine) == list(theirs)
    for key, other in theirs.items():
        if not isinstance(other, torch.Tensor):
            assert mine[key] == other, key
            continue
        one = mine[key].numpy() if isinstance(mine[key], Tensor) else np.asarray(mine[key])
        assert (one.shape, str(one.dtype)) == (tuple(other.shape), str(other.dtype)[6:]), key
        close(one, other.numpy())


def mistakes(name: str) -> list[Any]:
    """The wrong arguments of an entry."""
    return list(INFOS[name].optim_error_inputs_func("cpu", torch.float32))


def mistake(name: str, wrong: Any) -> str:
    """How dtrain takes a mistake of the database; "" if as PyTorch does."""
    given = wrong.optimizer_error_input

    def of(library: Any, convert: Callable[[Any], Any]) -> Callable[[], Any]:
        listed = [torch.nn.Parameter(torch.randn(1, 1))] if given.params is None else given.params

        def act() -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                made = getattr(library.optim, name)(convert(listed), **convert(given.kwargs))
                if wrong.error_on is OptimizerErrorEnum.STEP_ERROR:
                    made.step()

        return act

    wanted, got = outcome(of(torch, lambda each: each)), outcome(of(dtrain, shared()))
    if wanted is None or (got is not None and issubclass(got, wanted)):
        return ""
    return f"{given.desc}: {got}, not {wanted.__name__}"


def shared() -> Callable[[Any], Any]:
    """Arguments as dtrain's, where what was one tensor stays one."""
    seen: dict[int, Any] = {}

    def convert(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return seen.setdefault(id(value), ours(value, torch))
        if isinstance(value, dict):
            return {key: convert(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(convert(each) for each in value)
        return value

    return convert
