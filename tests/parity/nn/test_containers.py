"""Containers against PyTorch's: what they hold, how they print, what they refuse."""

from collections import OrderedDict
from collections.abc import Callable
from operator import add
from typing import Any

import pytest

import dtrain
from dtrain import nn
from dtrain.autograd import tensor
from dtrain.autograd.functions import ones, zeros

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

Lib = Any
Scenario = Callable[[Lib], Any]


class Ours:
    nn, tensor, ones, zeros = nn, tensor, ones, zeros
    manual_seed = dtrain.manual_seed


def outcome(scenario: Scenario, lib: Lib) -> Any:
    try:
        return scenario(lib)
    except Exception as error:
        return type(error).__name__, str(error).replace("dtrain.nn.containers", "HOME").replace(
            "torch.nn.modules.container", "HOME"
        ).replace("dtrain.nn.module.", "").replace("torch.nn.modules.module.", "")


def linear(lib: Lib, *sizes: int) -> list[Any]:
    return [lib.nn.Linear(n, n) for n in sizes]


def shown(container: Any) -> Any:
    return repr(container), list(container.state_dict()), len(container)


# Sequential


def sequence(lib: Lib) -> Any:
    made = lib.nn.Sequential(*linear(lib, 1, 2, 3), lib.nn.ReLU())
    parts = [made[0], made[-1], made[True], made[1:3], made[::2], made[:0]]
    return shown(made), [repr(part) for part in parts], [repr(each) for each in made]


def named_sequence(lib: Lib) -> Any:
    made = lib.nn.Sequential(OrderedDict(a=lib.nn.ReLU(), b=lib.nn.Linear(1, 1)))
    kept = made[1:]
    made[0] = lib.nn.Tanh()
    before = shown(made)
    del made[0]
    return before, shown(made), repr(kept)


def changed_sequence(lib: Lib) -> Any:
    made = lib.nn.Sequential(*linear(lib, 1, 2))
    steps = [repr(made.append(lib.nn.ReLU())), repr(made.insert(1, lib.nn.Tanh()))]
    steps += [repr(made.insert(-1, lib.nn.Sigmoid())), repr(made.insert(len(made), lib.nn.ReLU()))]
    steps += [repr(made.extend(linear(lib, 5, 6))), repr(made.pop(1)), repr(made)]
    del made[1:3]
    steps += [repr(made), repr(made.pop(-1))]
    made[-1] = lib.nn.Tanh()
    return steps, shown(made)


def sums_of_sequences(lib: Lib) -> Any:
    one, two = lib.nn.Sequential(*linear(lib, 1, 2)), lib.nn.Sequential(*linear(lib, 3))
    both = one + two
    thrice = 2 * two * 3
    one += two
    two *= 3
    return shown(both), shown(thrice), shown(one), shown(two), two[0] is two[2]


def empty_sequence(lib: Lib) -> Any:
    made = lib.nn.Sequential()
    x = lib.ones(2)
    return repr(made), made(x) is x


# ModuleList


def module_list(lib: Lib) -> Any:
    made = lib.nn.ModuleList(linear(lib, 1, 2, 2, 2, 3))
    parts = [made[0], made[-1], made[1:4], made[::2], made[:0]]
    return shown(made), [repr(part) for part in parts], [repr(each) for each in made]


def changed_list(lib: Lib) -> Any:
    made = lib.nn.ModuleList()
    steps = [repr(made), repr(made.append(lib.nn.ReLU())), repr(made.extend(linear(lib, 4, 5)))]
    made.insert(1, lib.nn.Tanh())
    made += linear(lib, 6)
    steps += [repr(made), repr(made.pop(1)), repr(made + linear(lib, 7))]
    made[0] = lib.nn.Sigmoid()
    del made[-2:]
    steps.append(repr(made.pop(slice(0, 1))))
    return steps, shown(made)


def printed_blocks(lib: Lib) -> Any:
    def block() -> Any:
        return lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.ReLU())

    nested = lib.nn.ModuleList([lib.nn.ModuleList([block(), block()]), block(), block(), block()])
    return repr(lib.nn.ModuleList([block() for _ in range(6)])), repr(nested)


# ModuleDict


def module_dict(lib: Lib) -> Any:
    made = lib.nn.ModuleDict({"b": lib.nn.ReLU(), "a": lib.nn.Linear(1, 1)})
    made.update([("c", lib.nn.Tanh()), ["a", lib.nn.Linear(2, 2)]])
    made.update(lib.nn.ModuleDict({"d": lib.nn.Sigmoid()}))
    seen = [list(made), list(made.keys()), [repr(each) for each in made.values()], "a" in made]
    seen += [repr(made["c"]), repr(made.pop("c")), shown(made), [name for name, _ in made.items()]]
    del made["a"]
    before = shown(made)
    made.clear()
    return seen, before, shown(made), repr(lib.nn.ModuleDict())


# ParameterList, ParameterDict


def parameter_list(lib: Lib) -> Any:
    made = lib.nn.ParameterList([lib.nn.Parameter(lib.ones(2, 3)), lib.ones(1)])
    made.append(lib.tensor(1.0))
    made += [lib.nn.Parameter(lib.ones(4)), "text"]
    made.extend([3])
    made[0] = lib.zeros(2)
    kinds = [type(each).__name__ for each in made]
    return shown(made), kinds, repr(made[1:3]), made[-1], len(list(made.parameters()))


def short_parameter_list(lib: Lib) -> Any:
    return repr(lib.nn.ParameterList([lib.ones(2)])), repr(lib.nn.ParameterList())


def parameter_dict(lib: Lib) -> Any:
    made = lib.nn.ParameterDict({"b": lib.ones(2, 3), "a": lib.nn.Parameter(lib.ones(1))})
    made["c"] = "text"
    made.update(OrderedDict(z=lib.ones(2), y=lib.ones(2)))
    made.update([("k", lib.ones(1))])
    seen: list[Any] = [shown(made), list(made), list(reversed(made)), "c" in made, made.get("no")]
    seen += [made.setdefault("c"), made.setdefault("new", 5), made.pop("c"), made.popitem()]
    seen += [list(made.keys()), [key for key, _ in made.items()], len(list(made.values()))]
    copy = made.copy()
    del made["b"]
    merged = copy | lib.nn.ParameterDict({"x": lib.ones(1)})
    made |= lib.nn.ParameterDict({"x": lib.ones(1)})
    seen += [list(copy), list(merged), list(made), list(made.fromkeys(["p", "q"], 1).items())]
    made.clear()
    return seen, shown(made)


# Small modules


def identity(lib: Lib) -> Any:
    module, x = lib.nn.Identity(3, some=4), lib.ones(2)
    return repr(module), module(x) is x


def unflattened(lib: Lib) -> Any:
    module, last = lib.nn.Unflatten(1, (2, -1)), lib.nn.Unflatten(-1, [1, 6])
    x = lib.ones(2, 6)
    return repr(module), repr(last), [tuple(each(x).shape) for each in (module, last)]


def flattened(lib: Lib) -> Any:
    x = lib.ones(2, 3, 4)
    made = [lib.nn.Flatten(), lib.nn.Flatten(0), lib.nn.Flatten(0, 1)]
    return [(repr(module), tuple(module(x).shape)) for module in made]


SCENARIOS = [
    sequence, named_sequence, changed_sequence, sums_of_sequences, empty_sequence, module_list,
    changed_list, printed_blocks, module_dict, parameter_list, short_parameter_list, parameter_dict,
    identity, unflattened, flattened,
]  # fmt: skip

ERRORS: dict[str, Scenario] = {
    "sequence of a number": lambda lib: lib.nn.Sequential(3),
    "sequence beyond": lambda lib: lib.nn.Sequential(lib.nn.ReLU())[1],
    "sequence by name": lambda lib: lib.nn.Sequential(lib.nn.ReLU())["0"],
    "sequence set beyond": lambda lib: lib.nn.Sequential().__setitem__(0, lib.nn.ReLU()),
    "sequence set a number": lambda lib: lib.nn.Sequential(lib.nn.ReLU()).__setitem__(0, 3),
    "sequence insert beyond": lambda lib: lib.nn.Sequential().insert(2, lib.nn.ReLU()),
    "sequence insert a number": lambda lib: lib.nn.Sequential().insert(0, 3),
    "sequence append a number": lambda lib: lib.nn.Sequential().append(3),
    "sequence plus a list": lambda lib: add(lib.nn.Sequential(), []),
    "sequence times nothing": lambda lib: lib.nn.Sequential() * 0,
    "sequence times a text": lambda lib: lib.nn.Sequential() * "2",
    "list of a number": lambda lib: lib.nn.ModuleList([3]),
    "list beyond": lambda lib: lib.nn.ModuleList()[0],
    "list by name": lambda lib: lib.nn.ModuleList([lib.nn.ReLU()])["0"],
    "list extend": lambda lib: lib.nn.ModuleList().extend(3),
    "list delete beyond": lambda lib: lib.nn.ModuleList().__delitem__(0),
    "list called": lambda lib: lib.nn.ModuleList()(3),
    "dict of a number": lambda lib: lib.nn.ModuleDict({"a": 3}),
    "dict by number": lambda lib: lib.nn.ModuleDict({3: lib.nn.ReLU()}),
    "dict without": lambda lib: lib.nn.ModuleDict()["a"],
    "dict pop": lambda lib: lib.nn.ModuleDict().pop("a"),
    "dict of an attribute": lambda lib: lib.nn.ModuleDict({"training": lib.nn.ReLU()}),
    "dict update": lambda lib: lib.nn.ModuleDict().update(3),
    "dict of triples": lambda lib: lib.nn.ModuleDict([("a", lib.nn.ReLU(), 3)]),
    "parameters of a tensor": lambda lib: lib.nn.ParameterList(lib.ones(2)),
    "parameters beyond": lambda lib: lib.nn.ParameterList([lib.ones(1)])[1],
    "parameters called": lambda lib: lib.nn.ParameterList()(3),
    "named beyond": lambda lib: lib.nn.ParameterDict()["a"],
    "named popitem": lambda lib: lib.nn.ParameterDict().pop("a"),
    "named called": lambda lib: lib.nn.ParameterDict()(3),
    "named of triples": lambda lib: lib.nn.ParameterDict([(1, 2, 3)]),
    "unflatten by a number": lambda lib: lib.nn.Unflatten(1, 2),
    "unflatten by floats": lambda lib: lib.nn.Unflatten(1, (2.0,)),
}

CLASS_ONLY: dict[str, Scenario] = {  # whose words are Python's own, or speak of PyTorch's insides
    "unflatten wrongly": lambda lib: lib.nn.Unflatten(1, (4, 2))(lib.ones(2, 6)),
    "unflatten beyond": lambda lib: lib.nn.Unflatten(5, (4, 2))(lib.ones(2, 6)),
    "named by number": lambda lib: lib.nn.ParameterDict({3: lib.ones(1)}),
    "named popitem of nothing": lambda lib: lib.nn.ParameterDict().popitem(),
    "dict of numbers": lambda lib: lib.nn.ModuleDict([3]),
    "named of numbers": lambda lib: lib.nn.ParameterDict([3]),
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_scenario_ends_the_same(scenario: Scenario) -> None:
    assert scenario(Ours) == scenario(torch)


@pytest.mark.parametrize("name", ERRORS)
def test_a_mistake_is_told_in_the_same_words(name: str) -> None:
    ours, theirs = (outcome(ERRORS[name], lib) for lib in (Ours, torch))
    assert ours == theirs


@pytest.mark.parametrize("name", CLASS_ONLY)
def test_a_mistake_is_of_the_same_class(name: str) -> None:
    ours, theirs = (outcome(CLASS_ONLY[name], lib) for lib in (Ours, torch))
    assert ours[0] == theirs[0]
