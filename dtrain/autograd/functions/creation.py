# mypy: disable-error-code="no-any-return"
"""Functions that make tensors."""

from collections.abc import Iterator, Sequence
from numbers import Number
from typing import Any

import numpy as np

from dtrain.autograd.dtypes import default_dtype
from dtrain.autograd.functions.arguments import dtype_of, number_of, require_plain, sizes
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops.promotion import converted
from dtrain.autograd.tensor import Tensor, wrap
from dtrain.autograd.value import Array

__all__ = [
    "as_tensor", "asarray", "empty", "empty_like", "from_numpy", "full", "full_like", "ones",
    "ones_like", "scalar_tensor", "tensor", "zeros", "zeros_like",
]  # fmt: skip


@public(method=False)
def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of `data`: numbers, nested sequences, an array or a Tensor.

    Python floats give the default dtype, integers int64, bools bool; arrays keep their dtype.
    Raises ValueError for rows of different lengths and for texts in them, TypeError for a text,
    RuntimeError for anything else that is no number.
    """
    require_plain(device)
    source = data._array if isinstance(data, Tensor) else data
    array = _array(source, None if dtype is None else dtype_of(dtype, None))
    return wrap(array).requires_grad_(requires_grad)


def _array(source: Any, dtype: Any) -> Array:
    """A copy in C order, of PyTorch's dtype unless one is given."""
    if not isinstance(source, np.ndarray | np.generic):
        source = _numbers(source)
        if dtype is None:
            dtype = _natural_dtype(source)
    if isinstance(source, np.ndarray | np.generic):
        dtype_of(source.dtype, None)  # complex numbers, texts: no tensors of these
    if dtype is None or np.dtype(dtype).kind not in "iu" or isinstance(source, np.ndarray):
        return np.array(source, dtype=dtype, order="C")
    given = np.asarray(source)
    _require_range(given, np.dtype(dtype))
    return np.array(given, dtype=dtype, order="C")


def _require_range(given: Array, dtype: np.dtype[Any]) -> None:
    """Raises RuntimeError for a number beyond an integer dtype; for unsigned ones a negative whole
    number wraps around."""
    if given.dtype.kind not in "iufO" or not given.size:
        return
    limits, whole = np.iinfo(dtype), given.dtype.kind != "f"
    low = -limits.max if dtype.kind == "u" and whole else limits.min
    if not (given.min() >= low and given.max() <= limits.max):
        raise RuntimeError(f"value cannot be converted to type {dtype} without overflow")


def _numbers(source: Any) -> Any:
    """Nested sequences with the Tensors in them, of one element each, as numbers."""
    if isinstance(source, Tensor):
        if source.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return source.item()
    if isinstance(source, list | tuple) and any(
        isinstance(each, Tensor | list | tuple) for each in source
    ):
        return [_numbers(each) for each in source]
    return source


def _natural_dtype(source: Any) -> Any:
    """The default dtype for Python floats; NumPy's own choice where that is PyTorch's too."""
    try:
        dtype = np.asarray(source).dtype
    except ValueError as error:
        raise _ragged(source) or TypeError(str(error)) from None
    if dtype.kind in "OUSMmV":
        raise _no_numbers(source)
    while isinstance(source, Sequence) and len(source):
        source = source[0]
    is_array = isinstance(source, np.ndarray | np.generic)
    if dtype.kind == "f" and (not is_array or isinstance(source, float)):
        return default_dtype() if not is_array else dtype
    return dtype_of(dtype, None)


def _no_numbers(source: Any) -> Exception:
    """PyTorch's error for a text, for a list with texts, and for anything else."""
    leaves = list(_leaves(source))
    if any(isinstance(each, str) for each in leaves):
        if isinstance(leaves[0], str) and leaves[0] is not source:
            return ValueError("too many dimensions 'str'")
        return TypeError("new(): invalid data type 'str'")
    wrong = [each for each in leaves if not isinstance(each, Number | np.generic)]
    return RuntimeError(f"Could not infer dtype of {type((wrong or [source])[0]).__name__}")


def _ragged(source: Any, dim: int = 1) -> Exception | None:
    """PyTorch's error for the first rows of different lengths, if there are any."""
    if not isinstance(source, list | tuple) or not isinstance(source[0], list | tuple):
        return None
    length = len(source[0])
    for each in source:
        if not isinstance(each, list | tuple):
            return TypeError("not a sequence")
        if len(each) != length:
            return ValueError(
                f"expected sequence of length {length} at dim {dim} (got {len(each)})"
            )
    return next(filter(None, (_ragged(each, dim + 1) for each in source)), None)


def _leaves(source: Any) -> Iterator[Any]:
    """What nested sequences hold, in order."""
    if not isinstance(source, list | tuple):
        yield source
        return
    for each in source:
        yield from _leaves(each)


@public(method=False)
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """As `tensor`, but without a copy where none is needed."""
    require_plain(device)
    wanted = None if dtype is None else dtype_of(dtype, None)
    if isinstance(data, Tensor):
        return data if wanted is None else data.to(wanted)
    if isinstance(data, np.ndarray):
        return from_numpy(data if wanted is None else data.astype(wanted, copy=False))
    return tensor(data, dtype=wanted)


@public(method=False)
def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:  # fmt: skip
    """As `as_tensor`, or a copy if asked for. Raises ValueError where a copy is needed but
    forbidden."""
    made = as_tensor(obj, dtype, device)
    memory = obj._array if isinstance(obj, Tensor) else obj
    shared = isinstance(memory, np.ndarray) and np.may_share_memory(made._array, memory)
    if copy is False and not shared:
        raise ValueError("can't alias arbitrary sequence into a tensor without a copy")
    made = made.clone() if copy and shared else made
    return made if requires_grad is None else made.requires_grad_(requires_grad)


@public(method=False)
def from_numpy(array: Array) -> Tensor:
    """A tensor over an array's own memory."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    dtype_of(array.dtype, None)
    return wrap(array)


@public(method=False)
def scalar_tensor(value: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor without dimensions."""
    return full((), value, dtype=dtype_of(dtype, default_dtype()), **options)


def _filled(size: Sequence[int], value: Any, dtype: np.dtype[Any], requires_grad: bool) -> Tensor:
    if isinstance(value, int | float):
        value = converted(value, dtype)
    for each in size:
        if each < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {each}: {list(size)}"
            )
    return wrap(np.full(size, value, dtype)).requires_grad_(requires_grad)


@public(method=False)
def zeros(
    *size: Any, dtype: Any = None, device: Any = None, layout: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, **given: Any,
) -> Tensor:  # fmt: skip
    """Zeros of a shape, of the default dtype unless told otherwise."""
    require_plain(device, layout)
    return _filled(_size("zeros", size, given), 0, dtype_of(dtype, default_dtype()), requires_grad)


@public(method=False)
def ones(
    *size: Any, dtype: Any = None, device: Any = None, layout: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, **given: Any,
) -> Tensor:  # fmt: skip
    """Ones of a shape, of the default dtype unless told otherwise."""
    require_plain(device, layout)
    return _filled(_size("ones", size, given), 1, dtype_of(dtype, default_dtype()), requires_grad)


@public(method=False)
def empty(*size: Any, memory_format: Any = None, **options: Any) -> Tensor:
    """Zeros: memory with arbitrary contents would make results differ between runs."""
    return zeros(*size, **options)


def _size(who: str, size: Sequence[Any], given: dict[str, Any]) -> tuple[int, ...]:
    """zeros(2, 3), zeros((2, 3)) and zeros(size=(2, 3))."""
    named = given.pop("size", None)
    if given:
        raise TypeError(f"{who}() got an unexpected keyword argument {next(iter(given))!r}")
    return sizes(size if named is None else (named,))


@public(method=False)
def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, layout: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """One value all over a shape; the dtype is the value's own unless given."""
    require_plain(device, layout)
    value = fill_value._array if isinstance(fill_value, Tensor) else number_of(fill_value)
    natural = _natural_dtype(value) if dtype is None else None
    return _filled(sizes((size,)), value, dtype_of(dtype, natural), requires_grad)


@public(method=False)
def zeros_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    """Zeros of the shape and dtype of a tensor."""
    return full_like(input, 0, dtype=dtype, **options)


@public(method=False)
def ones_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    """Ones of the shape and dtype of a tensor."""
    return full_like(input, 1, dtype=dtype, **options)


@public(method=False)
def empty_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    """Zeros of the shape and dtype of a tensor: see `empty`."""
    return full_like(input, 0, dtype=dtype, **options)


@public(method=False)
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, memory_format: Any = None, **options: Any
) -> Tensor:
    """One value all over the shape of a tensor, in its dtype."""
    return full(
        input._array.shape, fill_value, dtype=dtype_of(dtype, input._array.dtype), **options
    )


@public(function=False)
def new_zeros(input: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """Zeros of a shape, in the dtype of a tensor."""
    return zeros(*size, dtype=dtype_of(dtype, input._array.dtype), **options)


@public(function=False)
def new_ones(input: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """Ones of a shape, in the dtype of a tensor."""
    return ones(*size, dtype=dtype_of(dtype, input._array.dtype), **options)


@public(function=False)
def new_empty(input: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """Zeros of a shape, in the dtype of a tensor: see `empty`."""
    return zeros(*size, dtype=dtype_of(dtype, input._array.dtype), **options)


@public(function=False)
def new_full(
    input: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, **options: Any
) -> Tensor:
    """One value all over a shape, in the dtype of a tensor."""
    return full(size, fill_value, dtype=dtype_of(dtype, input._array.dtype), **options)


@public(function=False)
def new_tensor(input: Tensor, data: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor with a copy of `data`, in the dtype of a tensor."""
    return tensor(data, dtype=dtype_of(dtype, input._array.dtype), **options)
