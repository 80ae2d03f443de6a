# mypy: disable-error-code="no-any-return"
"""The same elements in another shape or order: views where PyTorch has views."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import dim_of, dims_of, sizes, tensor_of
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.inplace import require_writable
from dtrain.autograd.ops import reduce, scan
from dtrain.autograd.ops import shape as ops
from dtrain.autograd.tensor import Tensor
from dtrain.autograd.value import memory

__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_tensors", "broadcast_to",
    "flatten", "flip", "fliplr", "flipud", "moveaxis", "movedim", "permute", "ravel", "reshape",
    "roll", "rot90", "squeeze", "swapaxes", "swapdims", "t", "tile", "transpose", "unflatten",
    "unsqueeze",
]  # fmt: skip


@public()
def reshape(input: Tensor, *given: Any, shape: Any = None) -> Tensor:
    """The same elements in another shape; one size may be -1. A view where that can be."""
    tensor_of(input, who="reshape")
    return ops.reshape(
        input, shape=fitting(input._array.shape, sizes(given if shape is None else (shape,)))
    )


def fitting(own: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The wanted sizes with -1 worked out. Raises RuntimeError as PyTorch does."""
    count, known = math.prod(own), math.prod(size for size in wanted if size != -1)
    if wanted.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if any(size < -1 for size in wanted):
        raise RuntimeError(f"invalid shape dimension {min(wanted)}")
    if -1 in wanted and not known:
        raise RuntimeError(
            f"cannot reshape tensor of {count} elements into shape {list(wanted)} because the "
            "unspecified dimension size -1 can be any value and is ambiguous"
        )
    if count % known if -1 in wanted else count != known:
        raise RuntimeError(f"shape '{list(wanted)}' is invalid for input of size {count}")
    return tuple(count // known if size == -1 else size for size in wanted)


@public(function=False)
def view(input: Tensor, *shape: Any) -> Tensor:
    """As `reshape`, sharing memory, or with a dtype, as `to`. Raises RuntimeError where memory
    cannot be shared."""
    if len(shape) == 1 and not isinstance(shape[0], int | Sequence | Tensor):
        return Tensor(input._array.view(shape[0].dtype))
    out = reshape(input, *shape)
    if input.numel() and memory(out._array) is not memory(input._array):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return out


@public(function=False)
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` in the shape of another tensor."""
    return view(input, other._array.shape)


@public(function=False)
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` in the shape of another tensor."""
    return reshape(input, other._array.shape)


@public()
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshape(input, -1)


@public()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim ... end_dim joined into one."""
    size = input._array.shape
    start, end = dim_of(start_dim, len(size)), dim_of(end_dim, len(size))
    if not size:
        return reshape(input, 1)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    joined = math.prod(size[start : end + 1])
    return reshape(input, (*size[:start], joined, *size[end + 1 :]))


@public()
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension taken apart into several; one size may be -1."""
    size = input._array.shape
    at = dim_of(dim, len(size))
    if not len(sizes):
        raise RuntimeError("unflatten: sizes must be non-empty")
    known = math.prod(each for each in sizes if each != -1)
    parts = [size[at] // max(known, 1) if each == -1 else each for each in sizes]
    if math.prod(parts) != size[at]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {at} "
            f"({size[at]}) in the input tensor"
        )
    return reshape(input, (*size[:at], *parts, *size[at + 1 :]))


@public()
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without dimensions of size 1, or without those given if their size is 1."""
    size = input._array.shape
    if dim is None:
        axes = set(range(len(size)))
    else:
        axes = {dim_of(each, len(size)) for each in (dim if isinstance(dim, Sequence) else [dim])}
    kept = tuple(each for at, each in enumerate(size) if at not in axes or each != 1)
    return ops.reshape(input, shape=kept)


@public()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 put in."""
    size = input._array.shape
    at = dim_of(dim, len(size) + 1)
    return ops.reshape(input, shape=(*size[:at], 1, *size[at:]))


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
    return ops.permute(input, axes=tuple(axes))


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
    return backwards(input)


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
def expand(input: Tensor, *given: Any, size: Any = None) -> Tensor:
    """Broadcast; a view. -1 keeps a size."""
    wanted = sizes(given if size is None else (size,))
    if len(wanted) < input.ndim:
        raise RuntimeError(
            f"expand({input.ndim}D tensor, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor "
            f"({input.ndim})"
        )
    new = len(wanted) - input.ndim
    if any(each < 0 for each in wanted[:new]):
        raise RuntimeError(
            "expand: the expanded size of the tensor (-1) isn't allowed in a leading, non-existing "
            "dimension"
        )
    own = (1,) * new + input._array.shape
    kept = tuple(o if w == -1 else w for w, o in zip(wanted, own, strict=True))
    for at, (one, other) in enumerate(zip(own, kept, strict=True)):
        if one not in (1, other):
            raise RuntimeError(
                f"The expanded size of the tensor ({other}) must match the existing size ({one}) "
                f"at non-singleton dimension {at}.  Target sizes: {list(kept)}.  Tensor sizes: "
                f"{list(input._array.shape)}"
            )
    return reduce.expand(input, shape=kept)


@public(function=False)
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Broadcast to the shape of another tensor."""
    return expand(input, *other._array.shape)


@public()
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Broadcast; a view."""
    return expand(input, *sizes((size,)))


@public(method=False)
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Each tensor, broadcast to the shape they have in common."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Sequence) else tensors
    try:
        size = np.broadcast_shapes(*(each._array.shape for each in given))
    except ValueError as error:
        raise RuntimeError(f"the tensors' sizes do not go together: {error}") from None
    return tuple(expand(each, *size) for each in given)


@public(function=False)
def sum_to_size(input: Tensor, *given: Any, size: Any = None) -> Tensor:
    """The sum over what broadcasting would make of a smaller shape."""
    return reduce.sum_to(input, shape=sizes(given if size is None else (size,)))


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


def _at_least(ndim: int, input: Any) -> Any:
    if isinstance(input, Sequence):
        return tuple(_at_least(ndim, each) for each in input)
    size = input._array.shape
    if len(size) >= ndim:
        return input
    if ndim == 3 and len(size) == 2:
        return reshape(input, (*size, 1))
    if ndim == 3:
        return reshape(input, (1, *size, 1) if size else (1, 1, 1))
    return reshape(input, (1,) * (ndim - len(size)) + size)


@public(method=False)
def atleast_1d(*tensors: Any) -> Any:
    """With at least one dimension."""
    return _at_least(1, tensors[0] if len(tensors) == 1 else tensors)


@public(method=False)
def atleast_2d(*tensors: Any) -> Any:
    """With at least two dimensions."""
    return _at_least(2, tensors[0] if len(tensors) == 1 else tensors)


@public(method=False)
def atleast_3d(*tensors: Any) -> Any:
    """With at least three dimensions."""
    return _at_least(3, tensors[0] if len(tensors) == 1 else tensors)


@public(function=False)
def contiguous(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """Itself if it is in C order, else a copy that is."""
    return input if input._array.flags.c_contiguous else input.clone()


def _reshaping(function: Any) -> None:
    """The in-place method of a function that changes a tensor's shape alone."""

    def changed(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        require_writable(input)
        out = function(input, *args, **kwargs)
        input._array, input._view = out._array, None
        input._node = out._node
        return input

    changed.__name__ = changed.__qualname__ = f"{function.__name__}_"
    changed.__doc__ = f"`{function.__name__}` in place; returns the tensor."
    public(function=False)(changed)


for _function in (squeeze, unsqueeze, t, transpose):
    _reshaping(_function)
for _name, _of in {"moveaxis": "movedim", "swapaxes": "transpose", "swapdims": "transpose"}.items():
    alias(_name, _of)
moveaxis, swapaxes, swapdims = movedim, transpose, transpose
