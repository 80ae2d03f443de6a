"""PyTorch's module database on both engines: one sample is a module and the call of it."""

import types
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

import dtrain
from dtrain import nn
from tests.parity.databases.entries import evenly, seed_once
from tests.parity.databases.runner import (
    Call,
    Skip,
    close,
    find,
    flat,
    ours,
    same,
    same_gradients,
    seeded,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_modules import ModuleErrorEnum, module_db
    from torch.testing._internal.common_utils import noncontiguous_like


class Row(NamedTuple):
    """A class of modules, and what PyTorch's database says of it."""

    name: str
    info: Any


class Sample(NamedTuple):
    """Arguments of PyTorch's for a constructor and for a call."""

    built: Call
    called: Call


def rows() -> list[Row]:
    """The entries whose module dtrain has."""
    found = [Row(info.module_cls.__name__, info) for info in module_db]
    return [row for row in found if hasattr(nn, row.name)]


def absent_modules() -> list[str]:
    """Those that dtrain has not."""
    names = {info.module_cls.__name__ for info in module_db}
    return sorted(name for name in names if not hasattr(nn, name))


def drawn(inputs_func: Callable[..., Any], info: Any, dtype: Any, training: bool) -> list[Any]:
    """What a function of the database makes, from a fixed seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seed_once()
        return list(
            inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)
        )


def module_samples(row: Row, dtype: Any, training: bool, most: int) -> list[Sample]:
    """At most so many samples, evenly picked, and the first of them with gaps in its inputs."""
    found = drawn(row.info.module_inputs_func, row.info, dtype, training)
    chosen = [sample(each) for each in evenly(found, most) if each.forward_input is not None]
    return chosen + [with_gaps(each) for each in chosen[:1]]


def sample(theirs: Any) -> Sample:
    """A `ModuleInput` of the database; one tensor given twice becomes two."""
    built, called = theirs.constructor_input, theirs.forward_input
    given = Call(None, called.args, called.kwargs) if called is not None else Call(None, (), {})
    return Sample(Call(None, built.args, built.kwargs), mapped(given, lambda tensor: tensor))


def with_gaps(each: Sample) -> Sample:
    """The same inputs, with gaps between their elements."""
    return Sample(each.built, mapped(each.called, noncontiguous_like))


def without_samples(each: Sample) -> Sample:
    """The same call with nothing along the first dimension of what is no mask."""
    return Sample(
        each.built,
        mapped(each.called, lambda x: x[:0] if x.ndim and x.dtype != torch.bool else x),
    )


def mapped(call: Call, change: Callable[[Any], Any]) -> Call:
    """A call with all its tensors changed, which are leaves again."""

    def leaf(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return change(value.detach()).requires_grad_(value.requires_grad)
        if isinstance(value, tuple) and not hasattr(value, "_fields"):
            return tuple(leaf(each) for each in value)
        return value

    kwargs = {name: leaf(each) for name, each in call.kwargs.items()}
    return Call(None, tuple(leaf(each) for each in call.args), kwargs)


def own(theirs: Any) -> Any:
    """Arguments of PyTorch's as dtrain's; functions of `nn.functional` are found by name."""
    if isinstance(theirs, torch.nn.utils.rnn.PackedSequence):
        raise Skip("dtrain has no packed sequences")
    if isinstance(theirs, torch.nn.TransformerEncoderLayer):
        return layer(theirs)
    if isinstance(theirs, types.FunctionType | types.BuiltinFunctionType):
        return find(theirs.__name__, nn.functional) or theirs
    if type(theirs) in (tuple, list):
        return type(theirs)(own(each) for each in theirs)
    if isinstance(theirs, dict):
        return {name: own(each) for name, each in theirs.items() if name != "device"}
    return ours(theirs, torch)


def layer(theirs: Any) -> nn.TransformerEncoderLayer:
    """A layer with the same sizes, options and state."""
    attention = theirs.self_attn
    mine = nn.TransformerEncoderLayer(
        attention.embed_dim,
        attention.num_heads,
        theirs.linear1.out_features,
        theirs.dropout.p,
        own(theirs.activation),
        theirs.norm1.eps,
        attention.batch_first,
        theirs.norm_first,
        theirs.linear1.bias is not None,
        dtype=ours(theirs.linear1.weight.dtype, torch),
    )
    mine.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    return mine


def build(library: Any, kind: Any, built: Call, seed: int = 7) -> Any:
    """A module with the parameters of a seed."""
    library.default_generator.manual_seed(seed)  # without a look at other devices
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(*built.args, **built.kwargs)


class Pair(NamedTuple):
    """The same module on both sides, and the arguments of a call."""

    mine: Any
    theirs: Any
    called: Call
    expected: Call


def pair(name: str, each: Sample, dtype: Any, training: bool) -> Pair:
    """Modules in a dtype and mode, dtrain's from PyTorch's arguments and with PyTorch's state."""
    built, called = (Call(*(own(part) for part in call)) for call in each)
    theirs = build(torch, getattr(torch.nn, name), each.built).to(dtype).train(training)
    mine = build(dtrain, getattr(nn, name), built)
    mine = mine.to(ours(dtype, torch)).train(training)
    return Pair(mine, theirs, called, each.called)


def same_state(mine: Any, theirs: Any) -> None:
    """The same keys in the same order, with the same values."""
    state, expected = mine.state_dict(), theirs.state_dict()
    assert list(state) == list(expected)
    for key, value in expected.items():
        assert str(state[key].dtype) == str(value.dtype), key
        close(state[key].numpy(), value.numpy())


def load(mine: Any, theirs: Any) -> None:
    """PyTorch's state by way of NumPy, other numbers than the seed gave."""
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.125 * torch.rand(parameter.shape, dtype=parameter.dtype))
    mine.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})


def compare_modules(name: str, each: Sample, dtype: Any, training: bool) -> None:
    """Raises AssertionError where initial states, results, gradients of inputs and parameters, or
    the buffers after the call differ."""
    both = pair(name, each, dtype, training)
    same_state(both.mine, both.theirs)
    load(both.mine, both.theirs)
    same_state(both.mine, both.theirs)
    expected = seeded(torch, run(both.theirs), both.expected)
    got = seeded(dtrain, run(both.mine), both.called)
    pairs = list(zip(flat(got), flat(expected), strict=True))
    for one, other in pairs:
        same(one, other, torch)
    same_state(both.mine, both.theirs)
    mine = Call(list(both.mine.parameters()), both.called.args, both.called.kwargs)
    theirs = Call(list(both.theirs.parameters()), both.expected.args, both.expected.kwargs)
    same_gradients(mine, theirs, pairs, torch)


def run(module: Any) -> Callable[..., Any]:
    """A module as a function of the kind that `seeded` calls."""
    return lambda _, *args, **kwargs: module(*args, **kwargs)


def outcome(function: Callable[[], Any]) -> Any:
    """The class of the error that it raises, or None."""
    try:
        function()
    except Exception as error:  # compared by the caller
        return type(error)
    return None


def compare_calls(name: str, each: Sample, dtype: Any) -> None:
    """The same of a call that PyTorch may refuse: then dtrain does, with the same class."""
    both = pair(name, each, dtype, True)
    wanted = outcome(lambda: seeded(torch, run(both.theirs), both.expected))
    if wanted is None:
        compare_modules(name, each, dtype, True)
        return
    got = outcome(lambda: seeded(dtrain, run(both.mine), both.called))
    assert got is not None, f"None, not {wanted.__name__}"
    assert issubclass(got, wanted), f"{got.__name__}, not {wanted.__name__}"


def module_error(name: str, wrong: Any) -> str:
    """How dtrain takes a wrong construction or call of the database; "" if as PyTorch does."""
    each = sample(wrong.module_error_input)
    try:
        built, called = (Call(*(own(part) for part in call)) for call in each)
    except Skip:
        return ""

    def mine() -> None:
        module = build(dtrain, getattr(nn, name), built)
        if wrong.error_on is ModuleErrorEnum.FORWARD_ERROR:
            seeded(dtrain, run(module), called)

    got = outcome(mine)
    right = got is not None and issubclass(got, wrong.error_type)
    return "" if right else f"{got}, not {wrong.error_type.__name__}({wrong.error_regex!r})"
