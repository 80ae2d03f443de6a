"""PyTorch's operator database, as far as dtrain has the functions: entries, samples, forms."""

import itertools
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

import dtrain
from dtrain.autograd import Tensor
from tests.parity.databases.exceptions import UNDEFINED
from tests.parity.databases.runner import Call, Skip, compare, entry, ours, seeded

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

FLOATS = (torch.float32, torch.float64)
WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
LOOKED_AT = 300  # samples of an entry and dtype, of which so many are chosen:
MOST = 16
FEW = 3


class Entry(NamedTuple):
    """A row of the database, and dtrain's function. `spelled` has PyTorch's under the name that is
    compared: it is the row, or another name of it."""

    label: str
    op: Any
    function: Callable[..., Any]
    spelled: Any


def entries() -> list[Entry]:
    """Those that dtrain has, named by function and variant."""
    found = []
    for op in op_db:
        function = entry(op.name, op.variant_test_name)
        if function is not None:
            variant = f":{op.variant_test_name}" if op.variant_test_name else ""
            found.append(Entry(op.name + variant, op, function, op))
    return found


def aliases() -> list[Entry]:
    """Other names of the entries that dtrain has, each once."""
    found: dict[str, Entry] = {}
    for op in op_db:
        for other in op.aliases:
            function = entry(other.name)
            if function is not None:
                found.setdefault(other.name, Entry(other.name, op, function, other))
    return list(found.values())


def absent() -> list[str]:
    """The names that dtrain has not."""
    return sorted({op.name for op in op_db if entry(op.name) is None})


def evenly(items: list[Any], most: int) -> list[Any]:
    """At most so many of them, from the first to the last."""
    if len(items) <= most:
        return items
    return [items[at * (len(items) - 1) // (most - 1)] for at in range(most)]


def seed_once() -> None:
    """`op.sample_inputs` does so before each sample, which takes longer than the samples do."""
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)


def samples(op: Any, dtype: Any, most: int) -> list[Any]:
    """Samples of PyTorch's, the first one also with gaps between its elements."""
    gradients = op.supports_autograd and dtype.is_floating_point
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seed_once()
        drawn = op.sample_inputs_func(op, "cpu", dtype, gradients)
        found = list(itertools.islice(drawn, LOOKED_AT))
        chosen = evenly(found, most)
        apart = [each.noncontiguous() for each in chosen[:1]]
    return chosen + apart


def forms(spelled: Any) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """Other ways to call a function: (name, PyTorch's, dtrain's)."""
    for theirs in (spelled.method_variant, spelled.inplace_variant):
        if theirs is None or not getattr(theirs, "__name__", "<").strip("_").isidentifier():
            continue
        name = theirs.__name__
        mine = getattr(Tensor, name, None)
        if name.endswith("_") and not name.endswith("__"):
            yield name, on_a_copy(theirs), on_a_copy(mine or _missing(name))
        else:
            yield name, theirs, mine or _missing(name)
    for which in ("operator_variant", "inplace_operator_variant"):
        operator = getattr(spelled, which, None)
        if operator is not None:
            yield f"operator {operator.__name__}", on_a_copy(operator), on_a_copy(operator)


def on_a_copy(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(input: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(input, Tensor | torch.Tensor):
            input = input.clone()
        return function(input, *args, **kwargs)

    return called


def _missing(name: str) -> Callable[..., Any]:
    def absent(*args: Any, **kwargs: Any) -> Any:
        raise AttributeError(f"no method {name}")

    return absent


class Failure(NamedTuple):
    """A sample on which the two differ."""

    call: Call
    error: BaseException

    def __str__(self) -> str:
        said = " ".join(str(self.error).split())[:300]
        return f"{show(self.call)} -> {type(self.error).__name__}: {said}"


def show(value: Any) -> str:
    """A call in short: shapes and dtypes of its tensors."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, Call):
        args = [show(each) for each in (value.input, *value.args)]
        args += [f"{name}={show(each)}" for name, each in value.kwargs.items()]
        return f"({', '.join(args)})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(show(each) for each in value)}]"
    return repr(value)


def failures(row: Entry, dtype: Any, most: int) -> list[Failure]:
    """The samples of a dtype on which dtrain's function differs from PyTorch's."""
    gradients = row.op.supports_autograd and dtype.is_floating_point
    found = []
    for sample in samples(row.op, dtype, most):
        call = Call(sample.input, sample.args, sample.kwargs)
        found += failed(row.function, row.spelled.op, call, gradients, row.op.name not in UNDEFINED)
    return found


def failed(
    mine: Any, theirs: Any, call: Call, gradients: bool, values: bool = True
) -> list[Failure]:
    """The failure of one call, if it is one."""
    try:
        compare(mine, theirs, call, torch, gradients, values)
    except Skip:
        return []
    except Exception as error:  # whatever it was: the test says what
        return [Failure(call, error)]
    return []


def form_failures(row: Entry, dtype: Any, most: int) -> dict[str, list[Failure]]:
    """The same for methods, operators and in-place forms."""
    found: dict[str, list[Failure]] = {}
    listed = list(forms(row.spelled))
    if not listed:
        return found
    chosen = samples(row.op, dtype, most)
    gradients, values = row.op.supports_autograd, row.op.name not in UNDEFINED
    for name, theirs, mine in listed:
        if not gradients and name.endswith("_"):
            continue
        for sample in chosen:
            call = Call(sample.input, sample.args, sample.kwargs)
            if sample.broadcasts_input and "_" in (name[-1], name.split()[-1][0]):
                continue
            if not isinstance(call.input, torch.Tensor) or not works(theirs, call):
                continue
            found.setdefault(name, []).extend(failed(mine, theirs, call, gradients, values))
    return {name: each for name, each in found.items() if each}


def works(theirs: Any, call: Call) -> bool:
    """Whether PyTorch takes the call in this form."""
    try:
        seeded(torch, theirs, call)
    except Exception:  # no such form for these arguments
        return False
    return True


class Unraised(NamedTuple):
    """Wrong arguments, and what dtrain did instead of raising the same error."""

    call: Call
    wanted: type[BaseException]
    message: str
    got: Any

    def __str__(self) -> str:
        return (
            f"{show(self.call)} -> {self.got!r:.200}, not {self.wanted.__name__}({self.message!r})"
        )


def unraised(row: Entry) -> list[Unraised]:
    """The wrong arguments of the database for which dtrain does not raise PyTorch's class."""
    if row.op.error_inputs_func is None:
        return []
    found = []
    seed_once()
    for error in row.op.error_inputs_func(row.op, "cpu"):
        sample = error.sample_input
        call = Call(sample.input, sample.args, sample.kwargs)
        if works(row.op.op, call):
            continue
        try:
            mine = Call(*(ours(each, torch) for each in call))
            got: Any = seeded(dtrain, row.function, mine)
        except Skip:
            continue
        except Exception as raised:  # compared below
            got = raised
        if not isinstance(got, error.error_type):
            found.append(Unraised(call, error.error_type, str(error.error_regex), got))
    return found
