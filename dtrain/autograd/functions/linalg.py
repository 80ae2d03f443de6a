# mypy: disable-error-code="no-any-return"
"""Products of matrices and vectors."""

import math
from typing import Any

import numpy as np

from dtrain.autograd.functions.arguments import dim_of
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import linalg
from dtrain.autograd.ops.logic import where
from dtrain.autograd.ops.shape import reshape
from dtrain.autograd.tensor import Tensor, wrap

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "chain_matmul", "cross", "dot", "inner",
    "kron", "matmul", "matrix_power", "mm", "mv", "outer", "tensordot", "vdot",
]  # fmt: skip


@public()
def matmul(input: Any, other: Any) -> Tensor:
    """PyTorch's matmul: vectors are rows on the left and columns on the right, and drop out again.

    Shapes:  (..., n, k) and (..., k, m) -> (..., n, m); (k) and (k) -> ().
    Raises:  RuntimeError if the shapes or dtypes do not go together.
    """
    a, b = _matrix(input), _matrix(other)
    if not a.ndim or not b.ndim:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D"
        )
    require_same_dtype(a, b)
    row, column = a.ndim == 1, b.ndim == 1
    left, right = a.unsqueeze(0) if row else a, b.unsqueeze(1) if column else b
    if left._array.shape[-1] != right._array.shape[-2]:
        raise RuntimeError(_mismatch(a, b))
    if left.ndim > 2 and right.ndim == 2:  # one product of matrices instead of many
        *lead, inner_size = left._array.shape
        flat = linalg.mm(left.reshape(math.prod(lead), inner_size), right)
        out: Tensor = flat.reshape(*lead, right._array.shape[-1])
    else:
        out = (linalg.mm if left.ndim == right.ndim == 2 else linalg.bmm)(left, right)
    if not (row or column):
        return out
    *lead, rows, columns = out._array.shape
    kept = (*lead, *(() if row else (rows,)), *(() if column else (columns,)))
    return _VECTORS[row, column](out, shape=kept)


_VECTORS = {
    (True, True): reshape.called("DotBackward0"),
    (False, True): reshape.called("MvBackward0"),
    (True, False): reshape.called("SqueezeBackward4"),
}


def _matrix(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray):
        return wrap(value)
    raise TypeError(f"matmul(): argument must be Tensor, not {type(value).__name__}")


def require_same_dtype(a: Tensor, b: Tensor) -> None:
    """Raises RuntimeError for a product of different dtypes."""
    if a._array.dtype != b._array.dtype:
        one, other = (_CTYPE.get(each._array.dtype.name, each.dtype) for each in (a, b))
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {one} != {other}")


_CTYPE = {"float32": "float", "float64": "double", "int64": "long", "int32": "int"}


def _mismatch(a: Tensor, b: Tensor) -> str:
    if a.ndim == 1 and b.ndim == 1:
        return (
            f"inconsistent tensor size, expected tensor [{a.numel()}] and src [{b.numel()}] to "
            f"have the same number of elements, but got {a.numel()} and {b.numel()} elements "
            "respectively"
        )
    if a.ndim == 2 and b.ndim == 1:
        rows, columns = a._array.shape
        return f"size mismatch, got input ({rows}), mat ({rows}x{columns}), vec ({b.numel()})"
    if b.ndim > 2:
        batches = _joint_batches(a, b)
        inner = a._array.shape[-1]
        return (
            f"Expected size for first two dimensions of batch2 tensor to be: [{batches}, {inner}] "
            f"but got: [{batches}, {b._array.shape[-2]}]."
        )
    rows = math.prod(a._array.shape[:-1])
    return (
        f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a._array.shape[-1]} and "
        f"{b._array.shape[0]}x{b._array.shape[1]})"
    )


def _joint_batches(a: Tensor, b: Tensor) -> int:
    lead = (each._array.shape[:-2] for each in (a, b))
    return math.prod(np.broadcast_shapes(*lead))


def _require_dims(who: str, *given: tuple[Tensor, int]) -> None:
    for at, (tensor, ndim) in enumerate(given, 1):
        if tensor.ndim != ndim:
            raise RuntimeError(f"{who}: argument {at} must be {ndim}D, but it is {tensor.ndim}D")


@public()
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """(n, k) and (k, m) -> (n, m)."""
    _require_dims("mm", (input, 2), (mat2, 2))
    return matmul(input, mat2)


@public()
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """(n, k) and (k) -> (n)."""
    _require_dims("mv", (input, 2), (vec, 1))
    return matmul(input, vec)


@public()
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """(k) and (k) -> ()."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    return matmul(input, tensor)


@public()
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """As `dot`."""
    return dot(input, other)


@public()
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """(b, n, k) and (b, k, m) -> (b, n, m)."""
    if input.ndim != 3 or mat2.ndim != 3:
        raise RuntimeError(
            "batch1 must be a 3D tensor" if input.ndim != 3 else "batch2 must be a 3D tensor"
        )
    if (
        input._array.shape[0] != mat2._array.shape[0]
        or input._array.shape[2] != mat2._array.shape[1]
    ):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: "
            f"[{input._array.shape[0]}, {input._array.shape[2]}] but got: "
            f"[{mat2._array.shape[0]}, {mat2._array.shape[1]}]."
        )
    return matmul(input, mat2)


def _blend(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta * input + alpha * product; an input with beta 0 is not looked at."""
    dtype = product._array.dtype if beta == 0 else input._array.dtype
    if dtype.kind == "b":
        kept = product if beta == 0 else input.logical_and(wrap(np.asarray(bool(beta)))) | product
        return kept if alpha else input
    if dtype.kind != "f":
        beta, alpha = int(beta), int(alpha)
    scaled = (product if alpha == 1 else product * alpha).to(dtype)
    if beta == 0:
        return scaled
    return (input if beta == 1 else input * beta) + scaled


@public(in_place=True)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * mat1 @ mat2."""
    return _blend(input, mm(mat1, mat2), beta, alpha)


@public(in_place=True)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * mat @ vec."""
    return _blend(input, mv(mat, vec), beta, alpha)


@public(in_place=True)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * the outer product."""
    return _blend(input, outer(vec1, vec2), beta, alpha)


@public(in_place=True)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta * input + alpha * bmm(batch1, batch2)."""
    return _blend(input, bmm(batch1, batch2), beta, alpha)


@public(in_place=True)
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta * input + alpha * the sum of bmm(batch1, batch2) over the batch."""
    return _blend(input, bmm(batch1, batch2).sum(0), beta, alpha)


@public()
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """(n) and (m) -> (n, m): every product."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(
            f"outer: Expected 1-D arguments, but got {input.ndim}-D and {vec2.ndim}-D"
        )
    return input.unsqueeze(1) * vec2


@public()
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products summed over the last dimension of both."""
    if not input.ndim or not other.ndim:
        return input * other
    if input._array.shape[-1] != other._array.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input._array.shape)} and {list(other._array.shape)}"
        )
    return tensordot(input, other, ([input.ndim - 1], [other.ndim - 1]))


@public(method=False)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products summed over dimensions: the last of `a` and the first of `b`, or those listed."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        dims = (list(range(a.ndim - dims, a.ndim)), list(range(dims)))
    first, second = ([each] if isinstance(each, int) else list(each) for each in dims)
    first = [dim_of(dim, a.ndim) for dim in first]
    second = [dim_of(dim, b.ndim) for dim in second]
    for one, other in zip(first, second, strict=True):  # a size of 1 is broadcast
        if a._array.shape[one] == 1:
            b = b.sum(other, keepdim=True, dtype=b.dtype)
        elif b._array.shape[other] == 1:
            a = a.sum(one, keepdim=True, dtype=a.dtype)
        if a._array.shape[one] != b._array.shape[other]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a._array.shape[one]} in "
                f"dim {one} and second has size {b._array.shape[other]} in dim {other}"
            )
    rest_a = [dim for dim in range(a.ndim) if dim not in first]
    rest_b = [dim for dim in range(b.ndim) if dim not in second]
    inner_size = int(np.prod([a._array.shape[dim] for dim in first]))
    size_a = [a._array.shape[dim] for dim in rest_a]
    size_b = [b._array.shape[dim] for dim in rest_b]
    left = a.permute(*rest_a, *first).reshape(int(np.prod(size_a)), inner_size)
    right = b.permute(*second, *rest_b).reshape(inner_size, int(np.prod(size_b)))
    return matmul(left, right).reshape(*size_a, *size_b)


@public()
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker's product."""
    ndim = max(input.ndim, other.ndim)
    one = (1,) * (ndim - input.ndim) + input._array.shape
    two = (1,) * (ndim - other.ndim) + other._array.shape
    left = input.reshape([each for size in one for each in (size, 1)])
    right = other.reshape([each for size in two for each in (1, size)])
    return (left * right).reshape([a * b for a, b in zip(one, two, strict=True)])


@public()
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product along a dimension of size 3, by default the first one."""
    one = input._array.shape
    if dim is None:
        if 3 not in one:
            raise RuntimeError("no dimension of size 3 in input")
        dim = one.index(3)
    return cross_along(input, other, dim)


def cross_along(input: Tensor, other: Tensor, dim: int) -> Tensor:
    """The cross product along a dimension of size 3."""
    one, two = input._array.shape, other._array.shape
    if len(one) != len(two):
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = dim_of(dim, len(one))
    if not one or one[axis] != 3 or two[axis] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3.")
    try:
        size = np.broadcast_shapes(one, two)
    except ValueError as error:
        raise RuntimeError(f"linalg.cross: {error}") from None
    a, b = input.expand(*size), other.expand(*size)
    ahead = [each.roll(-1, axis) for each in (a, b)]
    behind = [each.roll(1, axis) for each in (a, b)]
    return ahead[0] * behind[1] - behind[0] * ahead[1]


@public()
def matrix_power(input: Tensor, n: int) -> Tensor:
    """A square matrix times itself, n times."""
    require_square(input, "linalg.matrix_power")
    if n < 0:
        raise RuntimeError("matrix_power: dtrain has no inverse of a matrix, so n must be >= 0")
    if n == 0:
        unit = np.eye(input._array.shape[-1], dtype=input._array.dtype)
        none = np.zeros(input._array.shape, bool)
        return where(wrap(none), input, wrap(unit))
    power = input
    result: Any = None
    while n:
        if n & 1:
            result = power if result is None else matmul(result, power)
        n >>= 1
        power = matmul(power, power) if n else power
    return result


def require_square(input: Tensor, who: str) -> None:
    """Raises RuntimeError unless the last two dimensions are of one size."""
    size = input._array.shape
    if len(size) < 2:
        raise RuntimeError(f"{who}: The input tensor A must have at least 2 dimensions.")
    if size[-1] != size[-2]:
        raise RuntimeError(
            f"{who}: A must be batches of square matrices, but they are {size[-2]} by {size[-1]} "
            "matrices"
        )


@public(method=False)
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of matrices, left to right."""
    out, *rest = matrices
    for each in rest:
        out = matmul(out, each)
    return out
