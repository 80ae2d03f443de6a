# mypy: disable-error-code="no-any-return"
"""Several tensors into one, one into several."""

from collections.abc import Sequence
from typing import Any

from dtrain.autograd.dtypes import result_dtype
from dtrain.autograd.functions.arguments import dim_of, tensors_of
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.functions.shape import atleast_1d, atleast_2d, atleast_3d
from dtrain.autograd.ops import shape
from dtrain.autograd.tensor import Tensor

__all__ = [
    "cat", "chunk", "column_stack", "concat", "concatenate", "dsplit", "dstack", "hsplit",
    "hstack", "meshgrid", "row_stack", "split", "split_with_sizes", "stack", "tensor_split",
    "unbind", "vsplit", "vstack",
]  # fmt: skip


def _listed(tensors: Sequence[Tensor], who: str) -> list[Tensor]:
    """Raises TypeError for a Tensor, or for a list of something else."""
    if isinstance(tensors, Tensor):
        raise TypeError(f"{who}(): argument 'tensors' must be tuple of Tensors, not Tensor")
    tensors_of(who, *tensors)
    return list(tensors)


def _some(tensors: Sequence[Tensor], who: str) -> list[Tensor]:
    given = _listed(tensors, who)
    if not given:
        raise RuntimeError(f"{who} expects a non-empty TensorList")
    return given


@public(method=False)
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along a dimension; a 1-dim tensor without elements is passed over."""
    given = _listed(tensors, "cat")
    if not given:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    if any(not each.ndim for each in given):
        at = next(at for at, each in enumerate(given) if not each.ndim)
        raise RuntimeError(f"zero-dimensional tensor (at position {at}) cannot be concatenated")
    dtype = result_dtype([each._array for each in given])
    joined = [each for each in given if each._array.shape != (0,)] or given[:1]
    axis = dim_of(dim, joined[0].ndim)
    _require_alike(joined, axis)
    return shape.cat(*(each.to(dtype) for each in joined), dim=axis)


def _require_alike(given: list[Tensor], axis: int) -> None:
    """Raises RuntimeError for sizes that differ elsewhere than along the axis."""
    first = given[0]._array.shape
    for at, each in enumerate(given):
        size = each._array.shape
        if len(size) != len(first):
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {len(first)} and {len(size)}"
            )
        for dim, (one, other) in enumerate(zip(first, size, strict=True)):
            if dim != axis and one != other:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {axis}. Expected size {one} "
                    f"but got size {other} for tensor number {at} in the list."
                )


@public(method=False)
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension."""
    given = _listed(tensors, "stack")
    if not given:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = given[0]._array.shape
    for at, each in enumerate(given):
        if each._array.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(each._array.shape)} at entry {at}"
            )
    axis = dim_of(dim, len(first) + 1)
    dtype = result_dtype([each._array for each in given])
    return shape.stack(*(each.to(dtype).unsqueeze(axis) for each in given), dim=axis)


@public(method=False)
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Rows joined."""
    return cat(atleast_2d(_some(tensors, "vstack")), 0)


@public(method=False)
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Columns joined; vectors end to end."""
    given = atleast_1d(_some(tensors, "hstack"))
    return cat(given, 0 if given[0].ndim == 1 else 1)


@public(method=False)
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along a third dimension."""
    return cat(atleast_3d(_some(tensors, "dstack")), 2)


@public(method=False)
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Vectors as columns, joined."""
    return hstack(
        [each.reshape(-1, 1) if each.ndim < 2 else each for each in _some(tensors, "column_stack")]
    )


def _pieces(input: Tensor, ends: Sequence[int], axis: int) -> tuple[Tensor, ...]:
    """The slices between these places."""
    lead = (slice(None),) * axis
    starts = [0, *ends[:-1]]
    return tuple(
        shape.index(input, key=(*lead, slice(start, end)))
        for start, end in zip(starts, ends, strict=True)
    )


@public()
def split(
    tensor: Tensor, split_size_or_sections: Any = None, dim: int = 0, split_size: Any = None
) -> tuple[Tensor, ...]:
    """Pieces of one size, the last one smaller, or of the sizes given; views."""
    wanted = split_size if split_size_or_sections is None else split_size_or_sections
    if not tensor.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    axis = dim_of(dim, tensor.ndim)
    size = tensor._array.shape[axis]
    if isinstance(wanted, Sequence):
        if sum(wanted) != size or any(each < 0 for each in wanted):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's "
                f"size at dimension {dim}), but got split_sizes={list(wanted)}"
            )
        parts = list(wanted)
    else:
        if wanted < 0 or (not wanted and size):
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={wanted}"
            )
        parts = [wanted] * (size // wanted) if wanted else [0]
        parts += [size % wanted] if wanted and size % wanted else []
    ends = [sum(parts[: at + 1]) for at in range(len(parts))] or [0]
    return _pieces(tensor, ends, axis)


@public()
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the sizes given; views."""
    return split(input, list(split_sizes), dim)


@public()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many pieces of equal size, the last one smaller; views."""
    if not input.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    axis = dim_of(dim, input.ndim)
    size = input._array.shape[axis]
    if not size:
        return _pieces(input, [0] * chunks, axis)
    return split(input, -(-size // chunks), axis)


@public()
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None,
    sections: Any = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """So many pieces, sizes as equal as can be, or the pieces between indices; views."""
    wanted = next(each for each in (indices_or_sections, indices, sections) if each is not None)
    wanted = wanted.tolist() if isinstance(wanted, Tensor) else wanted
    if not input.ndim:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    axis = dim_of(dim, input.ndim)
    size = input._array.shape[axis]
    if isinstance(wanted, Sequence):
        lead = (slice(None),) * axis
        starts, ends = [0, *wanted], [*wanted, size]
        return tuple(
            shape.index(input, key=(*lead, slice(start, end)))
            for start, end in zip(starts, ends, strict=True)
        )
    if wanted <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {wanted}")
    least, more = divmod(size, wanted)
    return _pieces(input, [least * (at + 1) + min(at + 1, more) for at in range(wanted)], axis)


def _split_along(input: Tensor, wanted: Any, axis: int, who: str) -> tuple[Tensor, ...]:
    size = input._array.shape[axis]
    if isinstance(wanted, int) and (wanted <= 0 or size % wanted):
        raise RuntimeError(
            f"torch.{who} attempted to split along dimension {axis}, but the size of the dimension "
            f"{size} is not divisible by the split_size {wanted}!"
        )
    return tensor_split(input, wanted, axis)


@public()
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Pieces along the second dimension, of a vector along its first."""
    if input.ndim < 1:
        raise RuntimeError("torch.hsplit requires a tensor with at least 1 dimension")
    return _split_along(input, indices_or_sections, 0 if input.ndim == 1 else 1, "hsplit")


@public()
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Pieces along the first dimension."""
    if input.ndim < 2:
        raise RuntimeError("torch.vsplit requires a tensor with at least 2 dimension")
    return _split_along(input, indices_or_sections, 0, "vsplit")


@public()
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Pieces along the third dimension."""
    if input.ndim < 3:
        raise RuntimeError("torch.dsplit requires a tensor with at least 3 dimension")
    return _split_along(input, indices_or_sections, 2, "dsplit")


@public()
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along a dimension, without it; views."""
    if not input.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    axis = dim_of(dim, input.ndim)
    lead = (slice(None),) * axis
    return tuple(shape.index(input, key=(*lead, at)) for at in range(input._array.shape[axis]))


@public(method=False)
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: tensor i varies along dimension i alone."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Sequence) else tensors
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            'torch.meshgrid: indexing must be one of "xy" or "ij", but received: ' + indexing
        )
    lines = list(given)
    if not lines:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for each in lines:
        if each.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {each}"
            )
    if indexing == "xy" and len(lines) > 1:
        lines[:2] = lines[1::-1]
    size = tuple(each.numel() for each in lines)
    grids = [
        each.reshape(*(-1 if at == dim else 1 for dim in range(len(lines)))).expand(*size)
        for at, each in enumerate(lines)
    ]
    if indexing == "xy" and len(lines) > 1:
        grids[:2] = grids[1::-1]
    return tuple(grids)


for _name, _of in {"concat": "cat", "concatenate": "cat", "row_stack": "vstack"}.items():
    alias(_name, _of)
concat, concatenate, row_stack = cat, cat, vstack
