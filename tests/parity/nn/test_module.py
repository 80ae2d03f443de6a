"""Modules: tables, names, states, hooks and texts as PyTorch has them.

Each scenario is one function of a library, run with both; what it returns must be equal.
"""

import copy
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import nn
from dtrain.autograd import no_grad, tensor
from dtrain.autograd.functions import ones, zeros

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")


class Ours:
    """What the scenarios need, under PyTorch's names."""

    nn, tensor, ones, zeros, no_grad = nn, tensor, ones, zeros, no_grad
    float64, float16, int64 = np.dtype("float64"), np.dtype("float16"), np.dtype("int64")
    manual_seed = dtrain.manual_seed


Lib = Any
Scenario = Callable[[Lib], Any]


def outcome(scenario: Scenario, lib: Lib) -> Any:
    """What a scenario returns, or the error that it raises; and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = scenario(lib)
        except Exception as error:
            result = (error_class(error), str(error))
    return result, [(each.category, str(each.message)) for each in caught]


def error_class(error: Exception) -> str:
    return type(error).__name__


def net(lib: Lib) -> Any:
    class Net(lib.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("steps", lib.tensor(0))
            self.register_buffer("scratch", lib.tensor([0.5]), persistent=False)
            self.register_buffer("empty", None)
            self.body = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.ReLU())
            self.head = lib.nn.Linear(3, 1, bias=False)
            self.scale = lib.nn.Parameter(lib.tensor([1.0]))
            self.register_parameter("none", None)
            self.register_module("nothing", None)

        def forward(self, x: Any, factor: float = 1.0) -> Any:
            return self.head(self.body(x)) * self.scale * factor

    lib.manual_seed(3)
    return Net()


def filled(lib: Lib) -> Any:
    """The same with round numbers, so that outputs are exact in both libraries."""
    model = net(lib)
    with lib.no_grad():
        for parameter in model.parameters():
            (parameter._array if lib is Ours else parameter.numpy())[...] = 0.5
    return model


def keys(state: Any) -> list[Any]:
    return [(key, tuple(value.shape), value.tolist()) for key, value in state.items()]


def names(lib: Lib) -> Any:
    model = net(lib)
    model.twin = model.body
    model.again = model.scale
    return [
        [
            [name for name, _ in walk(**options)]
            for options in (
                {},
                {"prefix": "p"},
                {"recurse": False},
                {"remove_duplicate": False},
            )
            for walk in (model.named_parameters, model.named_buffers)
        ],
        [name for name, _ in model.named_modules()],
        [name for name, _ in model.named_modules(prefix="a", remove_duplicate=False)],
        [name for name, _ in model.named_children()],
        len(list(model.modules())),
        len(list(model.modules(remove_duplicate=False))),
        list(model.state_dict()),
        list(model.state_dict(prefix="x.")),
    ]


def metadata(lib: Lib) -> Any:
    class Newer(lib.nn.Linear):  # type: ignore[misc, name-defined]
        _version = 3

    return dict(lib.nn.Sequential(Newer(1, 1), lib.nn.Linear(1, 1)).state_dict()._metadata)


def positional_state(lib: Lib) -> Any:
    return list(lib.nn.Linear(1, 1).state_dict({}, "a."))


def kept_variables(lib: Lib) -> Any:
    model = net(lib)
    held = model.state_dict(keep_vars=True)
    return held["scale"] is model.scale, [value.requires_grad for value in held.values()]


def printed(lib: Lib) -> str:
    return repr(net(lib))


def printed_with_extras(lib: Lib) -> Any:
    class Wordy(lib.nn.Module):  # type: ignore[misc, name-defined]
        def extra_repr(self) -> str:
            return "first=1\n\nsecond=2"

    class Short(Wordy):
        def extra_repr(self) -> str:
            return "first=1"

    both = lib.nn.Sequential(Wordy(), Short())
    short = Short()
    short.add_module("child", Wordy())
    return repr(both), repr(short), repr(lib.nn.Module())


def parameters_printed(lib: Lib) -> Any:
    one, none = lib.nn.Parameter(lib.tensor([1.0, 2.5])), lib.nn.Parameter()
    return [repr(each) for each in (one, one * 2, lib.nn.Parameter(lib.ones(1), False), none)]


def listed(lib: Lib) -> Any:
    wanted = ("body", "head", "scale", "steps", "scratch", "training", "forward", "none")
    known = dir(net(lib))
    return [name in known for name in wanted], "0" in dir(lib.nn.Sequential(lib.nn.ReLU()))


def found(lib: Lib) -> Any:
    model = net(lib)
    return (
        model.get_submodule("") is model,
        model.get_submodule("body.0") is model.body[0],
        model.get_parameter("body.0.weight") is model.body[0].weight,
        model.get_buffer("steps") is model.steps,
    )


def replaced(lib: Lib) -> Any:
    model = net(lib)
    model.set_submodule("body.1", lib.nn.Tanh())
    model.set_submodule("body.2", lib.nn.Sigmoid())
    return repr(model)


def shuffled(lib: Lib) -> Any:
    """Names move between the tables as attributes are assigned and deleted."""
    model = net(lib)
    model.head = None
    model.scale = None
    model.plain = 3
    model.plain = lib.nn.Parameter(lib.tensor([2.0]))
    model.steps = lib.nn.Parameter(lib.tensor([2.0]))
    model.scratch = lib.nn.Linear(1, 1)
    model.body = lib.nn.ReLU()
    del model.none
    model.late = lib.nn.Buffer(lib.tensor([1.0]), persistent=False)
    model.later = lib.nn.Buffer(lib.tensor([1.0]))
    model.later = lib.tensor([4.0])
    return (
        list(model._parameters),
        list(model._buffers),
        list(model._modules),
        sorted(model._non_persistent_buffers_set),
        list(model.state_dict()),
        hasattr(model, "none"),
    )


def reassigned_buffer(lib: Lib) -> Any:
    model = net(lib)
    model.scratch = lib.tensor([2.0])
    model.steps = None
    return list(model.state_dict()), [name for name, _ in model.named_buffers()]


def modes(lib: Lib) -> Any:
    model = net(lib)
    model.eval()
    off = [module.training for module in model.modules()]
    model.body.train()
    return off, [module.training for module in model.modules()], model.train() is model


def mode_of_an_override(lib: Lib) -> Any:
    class Frozen(lib.nn.Linear):  # type: ignore[misc, name-defined]
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    model = lib.nn.Sequential(Frozen(1, 1), lib.nn.ReLU()).train()
    return [module.training for module in model.modules()]


def frozen(lib: Lib) -> Any:
    model = net(lib).requires_grad_(False)
    model.body.requires_grad_()
    return [parameter.requires_grad for parameter in model.parameters()]


def forgotten(lib: Lib) -> Any:
    model = filled(lib)
    model(lib.ones(1, 2)).sum().backward()
    kept = model.scale.grad
    model.zero_grad(set_to_none=False)
    zeroed = model.scale.grad is kept, kept.tolist()
    model.zero_grad()
    return zeroed, model.scale.grad is None


def types_of(model: Any) -> list[str]:
    tensors = [*model.parameters(), *model.buffers()]
    return [str(each.dtype).removeprefix("torch.") for each in tensors]


def cast(lib: Lib) -> Any:
    model = filled(lib)
    model(lib.ones(1, 2)).sum().backward()
    scale, other = model.scale, lib.zeros(1, dtype=lib.float64)
    made = [
        types_of(model.double()),
        [str(model.scale.grad.dtype).removeprefix("torch."), model.scale is scale],
        types_of(model.half()),
        types_of(model.float()),
        types_of(model.to(lib.float64)),
        types_of(model.to("cpu", lib.float16)),
        types_of(model.to(other)),
        types_of(model.to(dtype=lib.float16)),
        types_of(model.to(device="cpu")),
        types_of(model.to(tensor=other)),
        types_of(model.cpu()),
        types_of(model.type(lib.float16)),
    ]
    return made, model.scale.tolist(), [each.requires_grad for each in model.parameters()]


def applied(lib: Lib) -> Any:
    model = filled(lib)
    seen: list[str] = []
    same = model.apply(lambda module: seen.append(type(module).__name__)) is model
    model._apply(lambda x: x * 2)
    return seen, same, keys(model.state_dict()), model.scratch.tolist()


def copied(lib: Lib) -> Any:
    model = filled(lib)
    model.tied = model.body[0]
    model(lib.ones(1, 2)).sum().backward()
    twin = copy.deepcopy(model)
    return (
        twin.scale.grad is None,
        twin.tied is twin.body[0],
        twin.scale is model.scale,
        keys(twin.state_dict()),
        type(twin.scale).__name__,
        repr(twin),
    )


def tied(lib: Lib) -> Any:
    model = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Linear(2, 2))
    model[1].weight = model[0].weight
    state = model.state_dict()
    state["1.weight"] = lib.ones(2, 2) * 3
    model.load_state_dict(state)
    return list(state), len(list(model.parameters())), model[0].weight.tolist()


# Loading


def loaded(lib: Lib) -> Any:
    model = net(lib)
    state = {key: value * 0 + 2 for key, value in model.state_dict().items()}
    keys_ = model.load_state_dict(state)
    return repr(keys_), keys(model.state_dict())


def loaded_loosely(lib: Lib) -> Any:
    model = net(lib)
    result = model.load_state_dict(
        {"scale": lib.tensor([7.0]), "other": lib.ones(1), "body.9.x": lib.ones(1)}, strict=False
    )
    return repr(result), list(result), result.missing_keys, model.scale.tolist()


def loaded_from_a_row_of_one(lib: Lib) -> Any:
    model = net(lib)
    model.load_state_dict({"steps": lib.tensor([5])}, strict=False)
    return model.steps.tolist()


def assigned(lib: Lib) -> Any:
    model = net(lib)
    state = {key: value.double() + 1 for key, value in model.state_dict().items()}
    model.scale.requires_grad_(False)
    model.load_state_dict(state, assign=True)
    return types_of(model), [each.requires_grad for each in model.parameters()], model.steps.item()


def loaded_wrongly(lib: Lib) -> Any:
    model = net(lib)
    state = model.state_dict()
    state["scale"] = lib.ones(2)
    state["body.0.weight"] = lib.ones(3)
    state["extra"] = lib.ones(1)
    state["body.7.deep"] = lib.ones(1)
    del state["head.weight"], state["steps"]
    return model.load_state_dict(state)


def loaded_from_lists(lib: Lib) -> Any:
    return lib.nn.Linear(1, 1).load_state_dict({"weight": [[1.0]], "bias": 3})


def loaded_from_a_list(lib: Lib) -> Any:
    return lib.nn.Linear(1, 1).load_state_dict([1])


def loaded_into_none(lib: Lib) -> Any:
    return lib.nn.Linear(1, 1, bias=False).load_state_dict(lib.nn.Linear(1, 1).state_dict())


def state_hooks(lib: Lib) -> Any:
    model, seen = net(lib), []

    def before(module: Any, prefix: str, keep_vars: bool) -> None:
        seen.append(("before", type(module).__name__, prefix, keep_vars))

    def after(module: Any, state: Any, prefix: str, metadata: Any) -> None:
        state[prefix + "more"] = lib.ones(1)
        seen.append(("after", prefix, dict(metadata)))

    handles = [
        model.body.register_state_dict_pre_hook(before),
        model.body.register_state_dict_post_hook(after),
        model._register_state_dict_hook(lambda *args: OrderedDict(only=lib.ones(1))),
    ]
    first = list(model.state_dict())
    for handle in handles:
        handle.remove()
    return first, list(model.state_dict()), seen


def state_hook_that_returns(lib: Lib) -> Any:
    model = net(lib)
    model.register_state_dict_post_hook(lambda *args: {})
    return model.state_dict()


def load_hooks(lib: Lib) -> Any:
    model, seen = net(lib), []

    def rename(module: Any, state: Any, prefix: str, meta: Any, strict: bool, *lists: Any) -> None:
        state[prefix + "weight"] = state.pop(prefix + "w")
        seen.append((type(module).__name__, prefix, strict, lists))

    def forgive(module: Any, incompatible: Any) -> None:
        seen.append(list(incompatible.unexpected_keys))
        incompatible.unexpected_keys.clear()

    model.head.register_load_state_dict_pre_hook(rename)
    model.head._register_load_state_dict_pre_hook(lambda state, prefix, *rest: seen.append(prefix))
    model.register_load_state_dict_post_hook(forgive)
    state = model.state_dict()
    state["head.w"] = state.pop("head.weight")
    state["other"] = lib.ones(1)
    return repr(model.load_state_dict(state)), seen


def load_hook_that_returns(lib: Lib) -> Any:
    model = net(lib)
    model.register_load_state_dict_post_hook(lambda *args: 1)
    return model.load_state_dict(model.state_dict())


def extra_state(lib: Lib) -> Any:
    class Counting(lib.nn.Linear):  # type: ignore[misc, name-defined]
        count = 5

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"] + 1

    model = lib.nn.Sequential(Counting(1, 1))
    state = model.state_dict()
    model.load_state_dict(state)
    missing = model.load_state_dict({}, strict=False)
    plain = lib.nn.Sequential(lib.nn.Linear(1, 1)).load_state_dict(state, strict=False)
    return list(state), model[0].count, repr(missing), repr(plain)


def older_version(lib: Lib) -> Any:
    class Renamed(lib.nn.Linear):  # type: ignore[misc, name-defined]
        _version = 2

        def _load_from_state_dict(self, state: Any, prefix: str, meta: Any, *rest: Any) -> None:
            if meta.get("version", 1) < 2:
                state[prefix + "weight"] = state.pop(prefix + "old")
            super()._load_from_state_dict(state, prefix, meta, *rest)

    model = lib.nn.Sequential(Renamed(1, 1))
    state = model.state_dict()
    state["0.old"] = state.pop("0.weight")
    state._metadata["0"] = {"version": 1}
    return repr(model.load_state_dict(state)), repr(model.load_state_dict(model.state_dict()))


# Hooks


def forward_hooks(lib: Lib) -> Any:
    model, seen = filled(lib), []

    def note(name: str, answer: Any = None) -> Callable[..., Any]:
        def hook(module: Any, *args: Any) -> Any:
            seen.append((name, type(module).__name__, [describe(each) for each in args]))
            return answer(*args) if answer else None

        return hook

    with (
        model.register_forward_pre_hook(note("pre")),
        model.register_forward_pre_hook(note("pre one", lambda args: args[0] * 2)),
        model.register_forward_pre_hook(
            note("pre kwargs", lambda args, kwargs: (args, {"factor": 3.0})), with_kwargs=True
        ),
        model.register_forward_pre_hook(note("first"), prepend=True),
        model.register_forward_hook(note("post", lambda args, out: out + 1)),
        model.register_forward_hook(note("post kwargs"), with_kwargs=True),
        model.register_forward_hook(note("post first"), prepend=True),
        model.body.register_forward_hook(note("inner")),
    ):
        inside = model(lib.ones(1, 2), factor=2.0).tolist()
    return inside, model(lib.ones(1, 2), factor=2.0).tolist(), seen


def describe(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(describe, value))
    if isinstance(value, dict):
        return {key: describe(each) for key, each in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def hooks_of_a_failure(lib: Lib) -> Any:
    class Failing(lib.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            raise ZeroDivisionError("no")

    model, seen = Failing(), []

    def fails(*args: Any) -> None:
        raise ValueError("hook")

    model.register_forward_hook(lambda *args: seen.append("not"))
    model.register_forward_hook(lambda *args: seen.append(args[2]), always_call=True)
    model.register_forward_hook(
        lambda *args: seen.append(args[2]), always_call=True, with_kwargs=True
    )
    model.register_forward_hook(fails, always_call=True)
    try:
        model(1)
    except ZeroDivisionError as error:
        return seen, str(error)


def hook_that_fails_is_not_called_again(lib: Lib) -> Any:
    model, seen = lib.nn.ReLU(), []

    def fails(*args: Any) -> None:
        seen.append("called")
        raise ValueError("hook")

    model.register_forward_hook(fails, always_call=True)
    try:
        model(lib.ones(1))
    except ValueError as error:
        return seen, str(error)


def wrong_pre_hook(lib: Lib) -> Any:
    model = lib.nn.ReLU()
    model.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    return model(lib.ones(1))


# Errors


ERRORS: dict[str, Scenario] = {
    "forward": lambda lib: lib.nn.Module()(1),
    "attribute": lambda lib: net(lib).tail,
    "mode": lambda lib: net(lib).train(1),
    "to integers": lambda lib: net(lib).to(lib.int64),
    "parameter by a tensor": lambda lib: setattr(net(lib), "scale", lib.tensor([1.0])),
    "parameter by a number": lambda lib: setattr(net(lib), "scale", 3),
    "module by a tensor": lambda lib: setattr(net(lib), "head", lib.tensor([1])),
    "buffer by a list": lambda lib: setattr(net(lib), "steps", [1]),
    "register a tensor": lambda lib: net(lib).register_parameter("new", lib.tensor([1.0])),
    "register a result": lambda lib: net(lib).register_parameter("new", 3),
    "register twice": lambda lib: net(lib).register_parameter("head", None),
    "register a dot": lambda lib: net(lib).register_parameter("a.b", None),
    "register nothing": lambda lib: net(lib).register_parameter("", None),
    "register a number": lambda lib: net(lib).register_parameter(3, None),
    "buffer of a list": lambda lib: net(lib).register_buffer("new", [1]),
    "buffer twice": lambda lib: net(lib).register_buffer("forward", None),
    "buffer with a dot": lambda lib: net(lib).register_buffer("a.b", None),
    "buffer without a name": lambda lib: net(lib).register_buffer("", None),
    "buffer by number": lambda lib: net(lib).register_buffer(3, None),
    "add a number": lambda lib: net(lib).add_module("new", 3),
    "add a tensor": lambda lib: net(lib).add_module("new", lib.ones(1)),
    "add twice": lambda lib: net(lib).add_module("scale", None),
    "add with a dot": lambda lib: net(lib).add_module("a.b", None),
    "add without a name": lambda lib: net(lib).add_module("", None),
    "add by number": lambda lib: net(lib).add_module(3, None),
    "no submodule": lambda lib: net(lib).get_submodule("body.5"),
    "submodule of a parameter": lambda lib: net(lib).get_submodule("scale"),
    "no parameter": lambda lib: net(lib).get_parameter("body.0.wait"),
    "parameter of a module": lambda lib: net(lib).get_parameter("head"),
    "buffer of a parameter": lambda lib: net(lib).get_buffer("scale"),
    "set nothing": lambda lib: net(lib).set_submodule("", lib.nn.ReLU()),
    "set strictly": lambda lib: net(lib).set_submodule("a", lib.nn.ReLU(), strict=True),
    "set a parameter": lambda lib: net(lib).set_submodule("scale", lib.nn.ReLU()),
    "integers to train": lambda lib: lib.nn.Parameter(lib.tensor([1])),
    "deleted": lambda lib: delattr(net(lib), "tail"),
}  # fmt: skip

SCENARIOS = [
    names, metadata, positional_state, kept_variables, printed, printed_with_extras,
    parameters_printed, listed, found, replaced, shuffled, reassigned_buffer,
    modes, mode_of_an_override, frozen, forgotten, cast,
    applied, copied, tied, loaded, loaded_loosely, loaded_from_a_row_of_one, assigned,
    loaded_wrongly, loaded_from_lists, loaded_from_a_list, loaded_into_none, state_hooks,
    state_hook_that_returns, load_hooks, load_hook_that_returns, extra_state, older_version,
    forward_hooks, hooks_of_a_failure, hook_that_fails_is_not_called_again, wrong_pre_hook,
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_scenario_ends_the_same(scenario: Scenario) -> None:
    (ours, our_warnings), (theirs, their_warnings) = (
        outcome(scenario, lib) for lib in (Ours, torch)
    )
    assert ours == theirs
    assert [kind for kind, _ in our_warnings] == [kind for kind, _ in their_warnings]


@pytest.mark.parametrize("name", ERRORS)
def test_a_mistake_is_told_in_the_same_words(name: str) -> None:
    ours, theirs = (outcome(ERRORS[name], lib)[0] for lib in (Ours, torch))
    assert ours == theirs
    assert isinstance(theirs, tuple), "PyTorch sees no mistake"
