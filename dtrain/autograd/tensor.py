# mypy: disable-error-code="no-any-return"
"""Tensor: PyTorch's methods over the ops. (An op returns a Tensor for a Tensor, typed as Any.)"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dtrain.autograd import graph
from dtrain.autograd.dtypes import DType, bool_, default_float, float16, float32, float64, int64
from dtrain.autograd.dtypes import int32 as int32_
from dtrain.autograd.ops import elementwise, linalg, logic, loss, reduce, shape
from dtrain.autograd.value import Array, Node, Value

Number: TypeAlias = Any  # a Tensor, an array or a Python number
Dim: TypeAlias = int | Sequence[int] | None


class MaxResult(NamedTuple):
    """What `max` and `min` over one dimension return."""

    values: "Tensor"
    indices: "Tensor"


class Tensor(Value):
    """An array that may carry a gradient. Made by `dtrain.tensor`; PyTorch's names throughout."""

    __slots__ = ()
    __array_priority__ = 1000  # array * tensor is a Tensor

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each dimension."""
        return self._array.shape

    @property
    def dtype(self) -> DType:
        """Type of the elements."""
        return self._array.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    @property
    def grad_fn(self) -> Node | None:
        """The recorded op that made this tensor; None for a leaf."""
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made it."""
        return self._node is None

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient for it."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None and not value:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        if value and self.dtype.kind != "f":
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        self._requires_grad = value

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Set `requires_grad`; returns the tensor itself."""
        self.requires_grad = requires_grad
        return self

    def dim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self._array.shape if dim is None else self._array.shape[dim]

    def numel(self) -> int:
        """Number of elements."""
        return self._array.size

    def is_floating_point(self) -> bool:
        """Whether the dtype is a float's."""
        return self._array.dtype.kind == "f"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)

    def __iter__(self) -> Iterator["Tensor"]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[index] for index in range(len(self._array)))

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError(
                f"Boolean value of Tensor with {'more than one' if self.numel() else 'no'} "
                f"value{'' if self.numel() else 's'} is ambiguous"
            )
        return bool(self._array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind == "f" or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item() if spec and not self.ndim else str(self), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        """For `copy` and `pickle`: what the user made, not its place in a graph."""
        if self._node is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment."
            )
        made = (type(self), self._array, self._requires_grad, self.grad)
        return _remake, made, getattr(self, "__dict__", None)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        text = np.array2string(self._array, separator=", ", precision=4, prefix="tensor(")
        note = "" if self.dtype in (default_float, int64, bool_) else f", dtype={self.dtype}"
        if self._node is not None:
            note += f", grad_fn={self._node!r}"
        elif self._requires_grad:
            note += ", requires_grad=True"
        return f"tensor({text}{note})"

    # Out of the graph

    def item(self) -> Any:
        """The value of a tensor of one element, as a Python number."""
        if self.numel() != 1:
            raise RuntimeError(
                f"a Tensor with {self.numel()} elements cannot be converted to Scalar"
            )
        return self._array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._array.tolist()

    def numpy(self) -> Array:
        """The array itself, not a copy. Raises RuntimeError for a tensor that requires grad."""
        if self._requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. "
                "Use tensor.detach().numpy() instead."
            )
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def detach(self) -> "Tensor":
        """A tensor over the same memory, outside the graph."""
        return Tensor(self._array)

    def clone(self) -> "Tensor":
        """A copy, within the graph."""
        return shape.clone(self)

    # Backward

    def backward(
        self,
        gradient: Number | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add gradients to the `.grad` of the leaves: see `graph.backward`."""
        graph.backward(self, gradient, retain_graph, create_graph)

    # Arithmetic and comparison

    def __add__(self, other: Number) -> "Tensor":
        return elementwise.add(self, _operand(other))

    def __radd__(self, other: Number) -> "Tensor":
        return elementwise.add(_operand(other), self)

    def __sub__(self, other: Number) -> "Tensor":
        return elementwise.sub(self, _operand(other))

    def __rsub__(self, other: Number) -> "Tensor":
        return elementwise.sub(_operand(other), self)

    def __mul__(self, other: Number) -> "Tensor":
        return elementwise.mul(self, _operand(other))

    def __rmul__(self, other: Number) -> "Tensor":
        return elementwise.mul(_operand(other), self)

    def __truediv__(self, other: Number) -> "Tensor":
        return elementwise.div(self, _operand(other))

    def __rtruediv__(self, other: Number) -> "Tensor":
        return elementwise.div(_operand(other), self)

    def __pow__(self, other: Number) -> "Tensor":
        return elementwise.pow_(self, _operand(other))

    def __rpow__(self, other: Number) -> "Tensor":
        return elementwise.pow_(_operand(other), self)

    def __neg__(self) -> "Tensor":
        return elementwise.neg(self)

    def __matmul__(self, other: "Tensor | Array") -> "Tensor":
        return matmul(self, other)

    def __rmatmul__(self, other: "Tensor | Array") -> "Tensor":
        return matmul(other, self)

    def __eq__(self, other: object) -> "Tensor":  # type: ignore[override]  # element by element
        return logic.eq(self, _operand(other))

    def __ne__(self, other: object) -> "Tensor":  # type: ignore[override]  # element by element
        return logic.ne(self, _operand(other))

    def __lt__(self, other: Number) -> "Tensor":
        return logic.lt(self, _operand(other))

    def __le__(self, other: Number) -> "Tensor":
        return logic.le(self, _operand(other))

    def __gt__(self, other: Number) -> "Tensor":
        return logic.gt(self, _operand(other))

    def __ge__(self, other: Number) -> "Tensor":
        return logic.ge(self, _operand(other))

    def __and__(self, other: Number) -> "Tensor":
        return logic.bitwise_and(self, _operand(other))

    def __rand__(self, other: Number) -> "Tensor":
        return logic.bitwise_and(_operand(other), self)

    def __or__(self, other: Number) -> "Tensor":
        return logic.bitwise_or(self, _operand(other))

    def __ror__(self, other: Number) -> "Tensor":
        return logic.bitwise_or(_operand(other), self)

    def __invert__(self) -> "Tensor":
        return logic.bitwise_not(self)

    # Functions, element by element

    def abs(self) -> "Tensor":
        """|x|."""
        return elementwise.abs_(self)

    def sign(self) -> "Tensor":
        """-1, 0 or 1."""
        return elementwise.sign(self)

    def exp(self) -> "Tensor":
        """e ** x."""
        return elementwise.exp(self)

    def log(self) -> "Tensor":
        """Natural logarithm."""
        return elementwise.log(self)

    def sqrt(self) -> "Tensor":
        """Square root."""
        return elementwise.sqrt(self)

    def tanh(self) -> "Tensor":
        """Hyperbolic tangent."""
        return elementwise.tanh(self)

    def sigmoid(self) -> "Tensor":
        """1 / (1 + e ** -x)."""
        return elementwise.sigmoid(self)

    def relu(self) -> "Tensor":
        """max(x, 0)."""
        return elementwise.relu(self)

    def softmax(self, dim: int) -> "Tensor":
        """e ** x / sum e ** x along a dimension."""
        return loss.softmax(self, axis=dim)

    def log_softmax(self, dim: int) -> "Tensor":
        """Logarithm of the softmax along a dimension."""
        return loss.log_softmax(self, axis=dim)

    # Reductions

    def sum(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """Sum over dimensions; bools and integers give int64."""
        return reduce.sum_(self, axis=_axes(dim), keepdims=keepdim)

    def mean(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """Mean over dimensions. Raises RuntimeError for bools and integers."""
        if self.dtype.kind != "f":
            raise RuntimeError(
                "mean(): could not infer output dtype. Input dtype must be either a floating "
                f"point or complex dtype. Got: {self.dtype}"
            )
        return reduce.mean(self, axis=_axes(dim), keepdims=keepdim)

    def amax(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """Greatest element over dimensions; ties share the gradient."""
        return reduce.amax(self, axis=_axes(dim), keepdims=keepdim)

    def amin(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """Least element over dimensions; ties share the gradient."""
        return reduce.amin(self, axis=_axes(dim), keepdims=keepdim)

    def max(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Greatest element of all; or (values, indices) along one dimension."""
        return self.amax() if dim is None else self._extreme(reduce.argmax, dim, keepdim)

    def min(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Least element of all; or (values, indices) along one dimension."""
        return self.amin() if dim is None else self._extreme(reduce.argmin, dim, keepdim)

    def _extreme(self, arg: Any, dim: int, keepdim: bool) -> MaxResult:
        if not self.ndim:
            return MaxResult(self.clone(), arg(self))
        indices = arg(self, axis=dim, keepdims=True)
        values = shape.take_along(self, indices=indices._array, axis=dim)
        return (
            MaxResult(values, indices)
            if keepdim
            else MaxResult(values.squeeze(dim), indices.squeeze(dim))
        )

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
        """Index of the first greatest element."""
        return reduce.argmax(self, axis=dim, keepdims=keepdim)

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
        """Index of the first least element."""
        return reduce.argmin(self, axis=dim, keepdims=keepdim)

    # Shape

    def __getitem__(self, key: Any) -> "Tensor":
        return shape.index(self, key=_key(key))

    def reshape(self, *sizes: Any) -> "Tensor":
        """The same elements in another shape; one size may be -1."""
        return shape.reshape(self, shape=_sizes(sizes))

    def view(self, *sizes: Any) -> "Tensor":
        """As `reshape`, sharing memory. Raises RuntimeError where that cannot be."""
        out = self.reshape(*sizes)
        if self.numel() and not np.shares_memory(out._array, self._array):
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one "
                "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
            )
        return out

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Tensor":
        """Dimensions start_dim ... end_dim joined into one."""
        if not self.ndim:
            return self.reshape(1)
        start, end = start_dim % self.ndim, end_dim % self.ndim
        joined = int(np.prod(self.shape[start : end + 1]))
        return self.reshape(*self.shape[:start], joined, *self.shape[end + 1 :])

    def squeeze(self, dim: int | None = None) -> "Tensor":
        """Without dimensions of size 1, or without that one if its size is 1."""
        axes = range(self.ndim) if dim is None else [dim % max(self.ndim, 1)]
        kept = [size for at, size in enumerate(self.shape) if at not in axes or size != 1]
        return self.reshape(kept)

    def unsqueeze(self, dim: int) -> "Tensor":
        """With a dimension of size 1 put in."""
        at = dim % (self.ndim + 1)
        return self.reshape(*self.shape[:at], 1, *self.shape[at:])

    def permute(self, *dims: Any) -> "Tensor":
        """Dimension i of the result is dimension dims[i]."""
        return shape.permute(self, axes=tuple(dim % self.ndim for dim in _sizes(dims)))

    def transpose(self, dim0: int, dim1: int) -> "Tensor":
        """Two dimensions exchanged."""
        axes = list(range(self.ndim))
        axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
        return shape.permute(self, axes=tuple(axes))

    def t(self) -> "Tensor":
        """A matrix transposed."""
        if self.ndim > 2:
            raise RuntimeError(
                f"t() expects a tensor with <= 2 dimensions, but self is {self.ndim}D"
            )
        return self.T

    @property
    def T(self) -> "Tensor":
        """All dimensions reversed."""
        return shape.permute(self, axes=tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> "Tensor":
        """The last two dimensions exchanged."""
        return self.transpose(-2, -1)

    def expand(self, *sizes: Any) -> "Tensor":
        """Broadcast; a view. -1 keeps a size."""
        wanted = _sizes(sizes)
        own = (1,) * (len(wanted) - self.ndim) + self.shape
        return reduce.expand(
            self, shape=tuple(o if w == -1 else w for w, o in zip(wanted, own, strict=True))
        )

    def contiguous(self) -> "Tensor":
        """Itself if it is in C order, else a copy that is."""
        return self if self._array.flags.c_contiguous else self.clone()

    # Type

    def to(self, dtype: Any) -> "Tensor":
        """In another dtype; itself if it has that dtype. "cpu" is where every tensor is."""
        if isinstance(dtype, str):
            if dtype != "cpu":
                raise RuntimeError(f"dtrain computes on the CPU; there is no device {dtype!r}")
            return self
        return self if self.dtype == dtype else shape.cast(self, dtype=np.dtype(dtype))

    def float(self) -> "Tensor":
        """As float32."""
        return self.to(float32)

    def double(self) -> "Tensor":
        """As float64."""
        return self.to(float64)

    def half(self) -> "Tensor":
        """As float16."""
        return self.to(float16)

    def long(self) -> "Tensor":
        """As int64."""
        return self.to(int64)

    def int(self) -> "Tensor":
        """As int32."""
        return self.to(int32_)

    def bool(self) -> "Tensor":
        """As bool."""
        return self.to(bool_)

    def cpu(self) -> "Tensor":
        """Itself: every tensor is on the CPU."""
        return self


Value.result = Tensor


def _remake(kind: type[Tensor], array: Array, requires_grad: bool, grad: Any) -> Tensor:
    made = kind.__new__(kind)
    Value.__init__(made, array, requires_grad)
    made.grad = grad
    return made


def matmul(a: Any, b: Any) -> Tensor:
    """PyTorch's matmul: vectors are rows on the left and columns on the right, and drop out again.

    Shapes:  (..., n, k) and (..., k, m) -> (..., n, m); (k) and (k) -> ().
    Raises:  RuntimeError if the shapes or dtypes do not go together.
    """
    a, b = _matrix(a), _matrix(b)
    if not a.ndim or not b.ndim:
        raise RuntimeError("both arguments to matmul need to be at least 1D")
    if a.dtype != b.dtype:
        raise RuntimeError(f"expected a and b to have the same dtype, but got {a.dtype}, {b.dtype}")
    row, column = a.ndim == 1, b.ndim == 1
    out: Tensor = linalg.matmul(a.unsqueeze(0) if row else a, b.unsqueeze(1) if column else b)
    if column:
        out = out.squeeze(-1)
    return out.squeeze(-1 if column else -2) if row else out


def _matrix(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value))


def _operand(other: Any) -> Any:
    """What an op takes: NumPy's scalars become Python numbers, as in PyTorch."""
    return other.item() if isinstance(other, np.generic) else other


def _key(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(_key(part) for part in key)
    return key._array if isinstance(key, Tensor) else key


def _sizes(sizes: Any) -> tuple[Any, ...]:
    """f(2, 3), f((2, 3)) and f([2, 3]) are the same."""
    return tuple(sizes[0] if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes)


def _axes(dim: Dim) -> Any:
    return tuple(dim) if isinstance(dim, Sequence) else dim
