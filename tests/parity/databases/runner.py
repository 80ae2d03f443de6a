"""One sample of PyTorch's operator database on both engines: outputs, dtypes, gradients, errors."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

import dtrain
import dtrain.linalg
import dtrain.special
from dtrain.autograd import Tensor, wrap
from dtrain.autograd.dtypes import of
from dtrain.nn import functional as F

TOLERANCE = {
    np.dtype(np.float32): (1e-4, 1e-5),
    np.dtype(np.float64): (1e-8, 1e-10),
}


class Skip(Exception):
    """The sample asks for what dtrain says it has not."""


def ours(theirs: Any, torch: Any) -> Any:
    """An argument of PyTorch's as dtrain's: tensors with memory of their own."""
    if isinstance(theirs, torch.Tensor):
        return tensor(theirs)
    if isinstance(theirs, torch.dtype):
        try:
            return of(str(theirs).removeprefix("torch."))
        except TypeError as error:
            raise Skip(str(error)) from None
    if isinstance(theirs, torch.Size):
        return tuple(theirs)
    if isinstance(theirs, torch.device):
        return dtrain.device(theirs.type)
    if isinstance(theirs, torch.memory_format | torch.layout | torch.Generator):
        raise Skip(f"no {type(theirs).__name__}")
    if isinstance(theirs, torch.nn.Module):
        return find(type(theirs).__name__, dtrain.nn)()
    if isinstance(theirs, complex):
        raise Skip("no complex numbers")
    if isinstance(theirs, Mapping):
        return {name: ours(each, torch) for name, each in theirs.items()}
    if type(theirs) in (list, tuple):
        return type(theirs)(ours(each, torch) for each in theirs)
    return theirs


def tensor(theirs: Any) -> Tensor:
    """A tensor with the same elements and strides, and memory of its own."""
    if theirs.dtype.is_complex or "bfloat" in str(theirs.dtype):
        raise Skip(f"no {theirs.dtype}")
    array = theirs.detach().numpy()
    reach = sum((size - 1) * step for size, step in zip(array.shape, array.strides, strict=True))
    memory = np.zeros(1 + reach // array.itemsize if array.size else 0, array.dtype)
    copied = np.lib.stride_tricks.as_strided(memory, array.shape, array.strides)
    copied[...] = array
    out = wrap(copied if array.size else array.copy())
    return out.requires_grad_() if theirs.requires_grad else out


def find(name: str, library: Any) -> Any:
    """The function of a dotted name, or None."""
    for part in name.split("."):
        try:
            library = getattr(library, part)
        except AttributeError:
            return None
    return library


def flat(value: Any) -> Iterator[Any]:
    """Tensors and numbers of nested results, in order."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from flat(each)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from flat(each)
    else:
        yield value


def _on_a_copy(function: Any) -> Any:
    return lambda input, *args, **kwargs: function(input.clone(), *args, **kwargs)


# Entries of the database whose function is not the one they are named after.
ADAPTED: dict[str, Any] = {
    "einsum": lambda tensors, equation: dtrain.einsum(equation, *tensors),
    "where": lambda input, condition, other: dtrain.where(condition, input, other),
    "nn.functional.embedding": lambda weight, at, **kwargs: F.embedding(at, weight, **kwargs),
    "nn.functional.embedding_bag": lambda weight, at, **kwargs: F.embedding_bag(
        at, weight, **kwargs
    ),
    "normal:in_place": Tensor.normal_,
    "normal:number_mean": lambda std, mean, *args, **kwargs: dtrain.normal(
        mean, std, *args, **kwargs
    ),
    "rand_like": dtrain.randn_like,  # which is what the database calls
    "zero_": _on_a_copy(Tensor.zero_),
    "fill": lambda input, value: dtrain.fill(input, value),
}


def entry(name: str, variant: str = "") -> Any:
    """dtrain's function for an entry of the database: a function, a method or a property."""
    adapted = ADAPTED.get(f"{name}:{variant}" if variant else name)
    if adapted is not None:
        return adapted
    found = find(name, dtrain)
    if found is None or not callable(found) or isinstance(found, dtrain.dtype):
        found = getattr(Tensor, name, None) if "." not in name else None
    return found.fget if isinstance(found, property) else found


class Call(NamedTuple):
    """The arguments of one call."""

    input: Any
    args: Any
    kwargs: Any

    def tensors(self, kind: type) -> list[Any]:
        """Those that require a gradient."""
        found = [each for each in flat(list(self)) if isinstance(each, kind)]
        return [each for each in found if each.requires_grad]


def compare(
    function: Any, reference: Any, call: Call, torch: Any, gradients: bool = True,
    values: bool = True,
) -> None:  # fmt: skip
    """Raises AssertionError where dtrain's function and PyTorch's differ on a sample: in shapes and
    dtypes, in `values` and `gradients` if asked."""
    mine = Call(*(ours(each, torch) for each in call))
    expected = seeded(torch, reference, call)
    got = seeded(dtrain, function, mine)
    pairs = list(zip(list(flat(got)), list(flat(expected)), strict=True))
    for one, other in pairs:
        same(one, other, torch, values)
    if gradients:
        same_gradients(mine, call, pairs, torch)


def seeded(library: Any, function: Any, call: Call) -> Any:
    """The result of a call, random numbers drawn from a fixed seed. NumPy must not warn."""
    generator = library.default_generator
    generator.manual_seed(42)  # as the database itself seeds what it draws
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(call.input, *call.args, **call.kwargs)


def same(one: Any, other: Any, torch: Any, values: bool = True) -> None:
    """One output on both sides."""
    if not isinstance(other, torch.Tensor):
        assert not isinstance(one, Tensor), f"a tensor, not {other!r}"
        if other is None or isinstance(other, str | torch.dtype):
            assert str(one) == str(other)
            return
        np.testing.assert_allclose(float(one), float(other), rtol=1e-6)
        return
    assert isinstance(one, Tensor), f"{type(one)}, not a Tensor"
    assert tuple(one.shape) == tuple(other.shape), f"shape {one.shape}, not {other.shape}"
    assert str(one.dtype) == str(other.dtype), f"{one.dtype}, not {other.dtype}"
    if values:
        close(one.detach().numpy(), other.detach().resolve_neg().numpy())


def close(one: Any, other: Any) -> None:
    """Equal but for rounding, which sums have in proportion to their terms; nan equals nan."""
    rtol, atol = TOLERANCE.get(one.dtype, (0.0, 0.0))
    finite = other[np.isfinite(other)]
    scale = max(1.0, float(np.abs(finite).max())) if finite.size and atol else 1.0
    with np.errstate(all="ignore"):
        away = np.abs(one - other) if atol else one != other
        if np.all(away <= atol * scale + rtol * np.abs(other) if atol else ~away):
            return
    np.testing.assert_allclose(one, other, rtol=rtol, atol=atol * scale, equal_nan=True)


def same_gradients(mine: Call, call: Call, pairs: list[Any], torch: Any) -> None:
    """The gradients of all outputs, weighted by fixed random numbers, for all inputs."""
    rng = np.random.default_rng(3)
    inputs, references = mine.tensors(Tensor), call.tensors(torch.Tensor)
    pairs = [pair for pair in pairs if isinstance(pair[1], torch.Tensor) and pair[1].requires_grad]
    if not pairs or not references:
        return
    seeds = [rng.normal(size=one.shape).astype(one.dtype) for one, _ in pairs]
    try:
        expected = torch.autograd.grad(
            [other for _, other in pairs],
            references,
            [torch.tensor(seed) for seed in seeds],
            allow_unused=True,
        )
    except RuntimeError as error:  # a few of PyTorch's functions have none, or not in place
        if "not implemented" not in str(error):
            raise
        return
    assert all(one.requires_grad for one, _ in pairs), "the output does not require grad"
    found = dtrain.autograd.grad(
        [one for one, _ in pairs], inputs, [wrap(np.array(seed)) for seed in seeds],
        allow_unused=True,
    )  # fmt: skip
    for one, other in zip(found, expected, strict=True):
        same_gradient(one, other, torch)


def same_gradient(one: Any, other: Any, torch: Any) -> None:
    """A gradient on both sides; none is as good as zeros."""
    if other is not None and other._is_zerotensor():
        other = torch.zeros_like(other)
    if one is None or other is None:
        assert other is None or not other.abs().sum(), "no gradient"
        assert one is None or not one._array.any(), "a gradient, where PyTorch has none"
        return
    assert str(one.dtype) == str(other.dtype)
    close(one.numpy(), other.resolve_neg().numpy())
