# mypy: disable-error-code="no-any-return"
"""Tensor: its way into and out of the graph.

What it is, and what it can be made into, is in `shaped` and `converting`. Its functions are in
`functions`, its operators in `operators`; both are attached to this class.
"""

import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from dtrain import absent
from dtrain.autograd import graph, show
from dtrain.autograd.converting import Converting
from dtrain.autograd.hooks import RemovableHandle, add
from dtrain.autograd.inference import is_inference, mark
from dtrain.autograd.inplace import require_writable
from dtrain.autograd.modes import INFERRING, MODE
from dtrain.autograd.node import Node
from dtrain.autograd.ops import shape
from dtrain.autograd.shaped import Shaped
from dtrain.autograd.value import Array, Value, detached

_NO_GRAD = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
    "attribute won't be populated during autograd.backward(). If you indeed want the .grad field "
    "to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you "
    "access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead."
)


class Tensor(Shaped, Converting):
    """An array that may carry a gradient. Made by `dtrain.tensor`; PyTorch's names throughout.

    `Tensor(2, 3)` is zeros of a shape, `Tensor(data)` a copy of numbers, both of the default dtype.
    """

    __slots__ = ()
    __array_priority__ = 1000  # array * tensor is a Tensor

    if TYPE_CHECKING:  # from `functions` and `operators`

        def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
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
    else:
        __getattr__ = absent.attribute  # of what is missing alone

    __hash__ = object.__hash__

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

    def __array_wrap__(
        self, array: Array, context: Any = None, return_scalar: bool = False
    ) -> "Tensor":
        """NumPy's functions of tensors return tensors."""
        return wrap(array)

    # Out of the graph

    def detach(self) -> "Tensor":
        """A tensor over the same memory, outside the graph."""
        return detached(self)  # type: ignore[return-value]  # Value.result is Tensor

    def detach_(self) -> "Tensor":
        """Take it out of the graph: it becomes a leaf without a gradient."""
        if self._view is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self._node, self._requires_grad = None, False
        return self

    @property
    def data(self) -> "Tensor":
        """A tensor over the same memory, outside the graph; changes through it are not noticed."""
        return wrap(self._array)

    @data.setter
    def data(self, value: "Tensor") -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self._requires_grad and not value.is_floating_point():
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex "
                "dtype"
            )
        self._array = value._array
        self._view = None

    # In the graph

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient for it, or for what it is a view of."""
        return self.wants_grad()

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
        if value and is_inference(self) and not MODE.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                "allowed."
            )
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
        """Which output it is of the op that made it: 0, but for an autograd.Function."""
        return getattr(getattr(self._node, "op", None), "output_nr", 0)

    @property
    def _version(self) -> int:
        """How often its memory was changed in place."""
        if is_inference(self):
            raise RuntimeError("Inference tensors do not track version counter.")
        return self.version()[0]

    @property
    def _base(self) -> "Tensor | None":
        """What it is a view of."""
        return None if self._view is None else self._view.base  # type: ignore[return-value]

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
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
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
        graph.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def retain_grad(self) -> None:
        """Have backward put the gradient in `.grad`, also where an op made the tensor."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        node = self.grad_fn
        if node is not None:
            node.extra().keeper = weakref.ref(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on a tensor that an op made."""
        extras = None if self._node is None else self._node.extras
        return extras is not None and extras.keeper is not None and extras.keeper() is self

    def register_hook(self, hook: Callable[["Tensor"], "Tensor | None"]) -> RemovableHandle:
        """Call `hook(gradient)` when its gradient is known; what it returns takes its place."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        node = self.grad_fn
        if node is not None:
            return add(node.extra().hooks, hook)
        if self._hooks is None:
            self._hooks = {}
        return add(self._hooks, hook)

    def register_post_accumulate_grad_hook(
        self, hook: Callable[["Tensor"], None]
    ) -> RemovableHandle:
        """Call `hook(tensor)` when backward has put a leaf's gradient in `.grad`."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        if self._landed is None:
            self._landed = {}
        return add(self._landed, hook)

    def graph(self, format: str = "text") -> str:
        """Print the graph that backward will walk, as "text" or as Graphviz's "dot"; returns it."""
        if format not in ("text", "dot"):
            raise ValueError(f'a graph is shown as "text" or "dot", not {format!r}')
        draw = show.text if format == "text" else show.dot
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
        self._bump()
        return self


_new = object.__new__


def wrap(array: Array, requires_grad: bool = False, kind: type[Tensor] = Tensor) -> Tensor:
    """A tensor over an array's own memory: how all of them are made, but for what users write."""
    value = _new(kind)
    value._array = array
    value._requires_grad = requires_grad
    value._node = None
    value._leaf = None
    value._grad_home = None
    value._grad = None
    value._view = None
    value._version_ = None
    value._hooks = None
    value._landed = None
    if INFERRING:
        mark(value)
    return value


Value.result = wrap


def is_tensor(obj: Any) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, Tensor)
