# mypy: disable-error-code="no-any-return"
"""Tensor: what it is, its way into and out of the graph.

Its functions are in `functions`, its operators in `operators`; both are attached to this class.
"""

import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.autograd import dtypes, graph, printing, show
from dtrain.autograd.device import CPU, device
from dtrain.autograd.dtypes import DType
from dtrain.autograd.hooks import RemovableHandle, add
from dtrain.autograd.inplace import require_writable
from dtrain.autograd.modes import MODE
from dtrain.autograd.ops import shape
from dtrain.autograd.size import Size
from dtrain.autograd.value import Array, Node, Value, memory

_NO_GRAD = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
    "attribute won't be populated during autograd.backward(). If you indeed want the .grad field "
    "to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you "
    "access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead."
)


class Tensor(Value):
    """An array that may carry a gradient. Made by `dtrain.tensor`; PyTorch's names throughout."""

    __slots__ = ()
    __array_priority__ = 1000  # array * tensor is a Tensor

    if TYPE_CHECKING:  # methods from `functions` and `operators`

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> "Tensor": ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> "Tensor": ...
        def __radd__(self, other: Any) -> "Tensor": ...
        def __sub__(self, other: Any) -> "Tensor": ...
        def __rsub__(self, other: Any) -> "Tensor": ...
        def __mul__(self, other: Any) -> "Tensor": ...
        def __rmul__(self, other: Any) -> "Tensor": ...
        def __truediv__(self, other: Any) -> "Tensor": ...
        def __rtruediv__(self, other: Any) -> "Tensor": ...
        def __floordiv__(self, other: Any) -> "Tensor": ...
        def __mod__(self, other: Any) -> "Tensor": ...
        def __pow__(self, other: Any) -> "Tensor": ...
        def __rpow__(self, other: Any) -> "Tensor": ...
        def __matmul__(self, other: Any) -> "Tensor": ...
        def __rmatmul__(self, other: Any) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __invert__(self) -> "Tensor": ...
        def __eq__(self, other: object) -> Any: ...
        def __ne__(self, other: object) -> Any: ...
        def __lt__(self, other: Any) -> "Tensor": ...
        def __le__(self, other: Any) -> "Tensor": ...
        def __gt__(self, other: Any) -> "Tensor": ...
        def __ge__(self, other: Any) -> "Tensor": ...
        def __and__(self, other: Any) -> "Tensor": ...
        def __or__(self, other: Any) -> "Tensor": ...
        def __xor__(self, other: Any) -> "Tensor": ...

    # What it is

    @property
    def shape(self) -> Size:
        """Size of each dimension."""
        return Size(self._array.shape)

    @property
    def dtype(self) -> DType:
        """Type of the elements."""
        return dtypes.of(self._array.dtype)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    @property
    def device(self) -> device:
        """The CPU."""
        return CPU

    @property
    def layout(self) -> str:
        """Dense, as every tensor here."""
        return "torch.strided"

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._array.nbytes

    is_cuda = is_sparse = is_quantized = is_meta = False
    is_cpu = True

    def dim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        if dim is None:
            return Size(self._array.shape)
        if not -max(self.ndim, 1) <= dim < max(self.ndim, 1) or not self.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-max(self.ndim, 1)}, "
                f"{max(self.ndim, 1) - 1}], but got {dim})"
            )
        return self._array.shape[dim]

    def numel(self) -> int:
        """Number of elements."""
        return self._array.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes of an element."""
        return self._array.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Elements from one index to the next, of every dimension or of one."""
        strides = tuple(step // self._array.itemsize for step in self._array.strides)
        return strides if dim is None else strides[dim]

    def storage_offset(self) -> int:
        """Elements before the first one in the memory that it is part of."""
        start = memory(self._array).__array_interface__["data"][0]
        return (self._array.__array_interface__["data"][0] - start) // self._array.itemsize

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._array.__array_interface__["data"][0]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in C order without gaps."""
        return self._array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the dtype is a float's."""
        return self._array.dtype.kind == "f"

    def is_complex(self) -> bool:
        """Never."""
        return False

    def is_signed(self) -> bool:
        """Whether the dtype has negative values."""
        return self._array.dtype.kind in "fi"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)

    def __iter__(self) -> Iterator["Tensor"]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[index] for index in range(len(self._array)))

    def __contains__(self, element: Any) -> bool:
        if not isinstance(element, Tensor | int | float | bool):
            raise RuntimeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
                f"{type(element)}."
            )
        same: Any = self == element
        return bool(same.any().item())

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
        if self._array.dtype.kind == "f" or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(str(self) if self.ndim else self.item(), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        """For `copy` and `pickle`: what the user made, not its place in a graph."""
        if self._node is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment."
            )
        made = (type(self), self._array, self._requires_grad, self._grad)
        return _remake, made, getattr(self, "__dict__", None)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        notes = ["requires_grad=True"] if self.requires_grad else []
        if self._node is not None:
            notes = [f"grad_fn={self._node!r}"]
        return printing.text(self._array, notes, default_float=dtypes.default_dtype())

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

    def numpy(self, *, force: bool = False) -> Array:
        """The array itself, not a copy. Raises RuntimeError for a tensor that requires grad, unless
        `force`."""
        if self._requires_grad and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. "
                "Use tensor.detach().numpy() instead."
            )
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def detach(self) -> "Tensor":
        """A tensor over the same memory, outside the graph."""
        out = Tensor(self._array)
        out._version_ = self.version()
        return out

    def detach_(self) -> "Tensor":
        """Take it out of the graph: it becomes a leaf without a gradient."""
        if self._view is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self._node, self._requires_grad = None, False
        return self

    @property
    def data(self) -> "Tensor":
        """A tensor over the same memory, outside the graph; changes through it are not noticed."""
        return Tensor(self._array)

    @data.setter
    def data(self, value: "Tensor") -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        self._array = value._array
        self._view = None

    # In the graph

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient for it."""
        self.refresh()
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.grad_fn is not None:
            if not value:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use "
                    "a computed variable in a subgraph that doesn't require differentiation use "
                    "var_no_grad = var.detach()."
                )
            return
        if value and self._array.dtype.kind != "f":
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients"
            )
        if value:
            self._view = None  # a leaf: its history begins here
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Set `requires_grad`; returns the tensor itself."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Node | None:
        """The recorded op that made this tensor; None for a leaf."""
        self.refresh()
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made it."""
        return self.grad_fn is None

    @property
    def output_nr(self) -> int:
        """0: an op has one output."""
        return 0

    @property
    def _version(self) -> int:
        """How often its memory was changed in place."""
        return self.version()[0]

    @property
    def _base(self) -> "Tensor | None":
        """What it is a view of, in the first place."""
        value: Value = self
        while value._view is not None:
            value = value._view.of
        return None if value is self else value  # type: ignore[return-value]  # all are Tensors

    def _is_view(self) -> bool:
        return self._view is not None

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that backward has put here. Warns for a tensor that it puts none in."""
        if self._grad is None and self._node is not None and not self.retains_grad:
            warnings.warn(_NO_GRAD, stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    "assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(value).__name__}"
                )
            if value._array.shape != self._array.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value._array.shape)}' to a "
                    f"tensor of size '{list(self._array.shape)}'. Please ensure that the gradient "
                    "and the tensor are the same size"
                )
            if value._array.dtype != self._array.dtype:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{value.dtype}' to a tensor of "
                    f"dtype '{self.dtype}'. The gradient must match the tensor's dtype"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add gradients to the `.grad` of the leaves: see `graph.backward`."""
        graph.backward(self, gradient, retain_graph, create_graph, inputs)

    def retain_grad(self) -> None:
        """Have backward put the gradient in `.grad`, also where an op made the tensor."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._node is not None:
            self._node.extra().keeper = weakref.ref(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on a tensor that an op made."""
        extras = None if self._node is None else self._node.extras
        return extras is not None and extras.keeper is not None and extras.keeper() is self

    def register_hook(self, hook: Callable[["Tensor"], "Tensor | None"]) -> RemovableHandle:
        """Call `hook(gradient)` when its gradient is known; what it returns takes its place."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._node is not None:
            return add(self._node.extra().hooks, hook)
        if self._hooks is None:
            self._hooks = {}
        return add(self._hooks, hook)

    def graph(self, format: str = "text") -> str:
        """Print the graph that backward will walk, as "text" or as Graphviz's "dot"; returns it."""
        if format not in ("text", "dot"):
            raise ValueError(f'a graph is shown as "text" or "dot", not {format!r}')
        draw = show.text if format == "text" else show.dot
        self.refresh()
        drawn = draw(self.edge(), self._array.shape, self._array.dtype)
        print(drawn)
        return drawn

    def clone(self, *, memory_format: Any = None) -> "Tensor":
        """A copy, within the graph."""
        return shape.clone(self)

    def set_(self, source: "Tensor") -> "Tensor":
        """Look at another tensor's memory."""
        require_writable(self)
        self._array = source._array
        return self


Value.result = Tensor


def _remake(kind: type[Tensor], array: Array, requires_grad: bool, grad: Any) -> Tensor:
    made = kind.__new__(kind)
    Value.__init__(made, array, requires_grad)
    made._grad = grad
    return made


def is_tensor(obj: Any) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, Tensor)


def is_recording() -> bool:
    """Whether ops are recorded now, in this thread."""
    return MODE.enabled
