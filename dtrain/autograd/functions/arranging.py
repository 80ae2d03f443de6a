# mypy: disable-error-code="no-any-return"
"""The same elements in another order: dimensions exchanged, turned, repeated."""

from collections.abc import Sequence
from typing import Any

from dtrain.autograd.functions.arguments import dim_of, dims_of, sizes
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.functions.shape import squeeze, unsqueeze
from dtrain.autograd.inplace import reshape_in_place
from dtrain.autograd.ops import reduce, scan
from dtrain.autograd.ops import shape as ops
from dtrain.autograd.tensor import Tensor

__all__ = [
    "adjoint", "flip", "fliplr", "flipud", "moveaxis", "movedim", "permute", "roll", "rot90",
    "swapaxes", "swapdims", "t", "tile", "transpose",
]  # fmt: skip


@public()
def permute(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    """Dimension i of the result is dimension dims[i]."""
    wanted = sizes(given if dims is None else (dims,))
    if len(wanted) != input.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {input.ndim} is not "
            f"equal to len(dims) = {len(wanted)}"
        )
    axes = tuple(dim_of(dim, input.ndim) for dim in wanted)
    if len(set(axes)) < len(axes):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return ops.permute(input, axes=axes)


@public()
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    first, second = dim_of(dim0, input.ndim), dim_of(dim1, input.ndim)
    axes = list(range(input.ndim))
    if axes:
        axes[first], axes[second] = axes[second], axes[first]
    return ops.transpose(input, axes=tuple(axes))


@public()
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Some dimensions moved to other places; the others keep their order."""
    sources = [dim_of(each, input.ndim) for each in _listed(source)]
    targets = [dim_of(each, input.ndim) for each in _listed(destination)]
    if len(sources) != len(targets):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source and destination have different "
            "lengths"
        )
    if len({*sources}) < len(sources) or len({*targets}) < len(targets):
        raise RuntimeError("movedim: repeated dim")
    rest = iter(at for at in range(input.ndim) if at not in sources)
    placed = dict(zip(targets, sources, strict=True))
    axes = [placed[at] if at in placed else next(rest) for at in range(input.ndim)]
    return ops.permute(input, axes=tuple(axes))


def _listed(value: Any) -> Sequence[int]:
    return value if isinstance(value, Sequence) else [value]


@public()
def t(input: Tensor) -> Tensor:
    """A matrix transposed."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return ops.t(input, axes=tuple(reversed(range(input.ndim))))


def backwards(input: Tensor) -> Tensor:
    """All dimensions in reverse order."""
    return ops.permute(input, axes=tuple(reversed(range(input.ndim))))


@public()
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    if input.ndim < 2:
        raise RuntimeError(f"tensor.adjoint() needs at least 2 dimensions, not {input.ndim}")
    return transpose(input, -2, -1)


public(function=False, name="T")(property(backwards))  # type: ignore[type-var]
public(function=False, name="mT")(property(adjoint))  # type: ignore[type-var]
public(function=False, name="H")(property(t))  # type: ignore[type-var]
public(function=False, name="mH")(property(adjoint))  # type: ignore[type-var]


@public(function=False)
def repeat(input: Tensor, *given: Any, repeats: Any = None) -> Tensor:
    """Laid side by side, so many times along each dimension; new dimensions come first."""
    times = sizes(given if repeats is None else (repeats,))
    if len(times) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    own = (1,) * (len(times) - input.ndim) + input._array.shape
    apart = tuple(each for size in own for each in (1, size))
    wide = tuple(each for pair in zip(times, own, strict=True) for each in pair)
    spread = reduce.expand(ops.reshape(input, shape=apart), shape=wide)
    joined = tuple(time * size for time, size in zip(times, own, strict=True))
    return ops.reshape(spread, shape=joined) if input.ndim or times else input.clone()


@public()
def tile(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    """As `repeat`, with 1 for dimensions that are not named."""
    times = sizes(given if dims is None else (dims,))
    return repeat(input, *((1,) * (input.ndim - len(times)) + times))


@public()
def flip(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    """Some dimensions in reverse order; a copy."""
    axes = dims_of(sizes(given if dims is None else (dims,)), input.ndim)
    return scan.flip(input, axes=axes or ())


@public()
def fliplr(input: Tensor) -> Tensor:
    """The second dimension in reverse order."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


@public()
def flipud(input: Tensor) -> Tensor:
    """The first dimension in reverse order."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


@public()
def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """Shifted along dimensions; what leaves at one end comes in at the other."""
    moves, axes = _listed(shifts), _listed(dims)
    if not input.ndim and len(axes):
        raise IndexError(f"Dimension specified as {axes[0]} but tensor has no dimensions")
    if not len(axes):
        if len(moves) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(moves)}, dims:0")
        return roll(input.reshape(-1), moves, 0).reshape(input._array.shape)
    if len(moves) != len(axes):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(moves)}, dims:{len(axes)}"
        )
    for shift, dim in zip(moves, axes, strict=True):
        input = _rolled(input, shift, dim_of(dim, input.ndim))
    return input


def _rolled(input: Tensor, shift: int, axis: int) -> Tensor:
    size = input._array.shape[axis] if input.ndim else 1
    if not size or not input.ndim or not shift % size:
        return input.clone()
    lead = (slice(None),) * axis
    cut = size - shift % size
    return ops.cat(input[(*lead, slice(cut, None))], input[(*lead, slice(None, cut))], dim=axis)


@public()
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned k times by 90 degrees in the plane of two dimensions."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    first, second = (dim_of(dim, input.ndim) for dim in dims)
    if first == second:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {first}")
    match k % 4:
        case 1:
            return transpose(flip(input, second), first, second)
        case 2:
            return flip(input, first, second)
        case 3:
            return flip(transpose(input, first, second), second)
    return input.clone()


def _reshaping(function: Any) -> None:
    """The in-place method of a function that changes a tensor's shape alone."""

    def changed(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        reshape_in_place(input, function(input, *args, **kwargs))
        return input

    changed.__name__ = changed.__qualname__ = f"{function.__name__}_"
    changed.__doc__ = f"`{function.__name__}` in place; returns the tensor."
    public(function=False)(changed)


for _function in (squeeze, unsqueeze, t, transpose):
    _reshaping(_function)
for _name, _of in {"moveaxis": "movedim", "swapaxes": "transpose", "swapdims": "transpose"}.items():
    alias(_name, _of)
moveaxis, swapaxes, swapdims = movedim, transpose, transpose
