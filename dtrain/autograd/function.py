"""autograd.Function: an op with a backward that the user writes.

What the user subclasses and is given is here; what the graph makes of it is in `custom`.
"""

import functools
from collections.abc import Callable
from typing import Any

from dtrain.autograd.custom import Saved, record, refuse
from dtrain.autograd.modes import MODE, no_grad
from dtrain.autograd.value import Value


class FunctionCtx:
    """`ctx`: what forward leaves for backward. Any attribute may be set on it, too."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] = ()
        self._plain: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._materializes = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs (or None); a change in place before backward is then an error."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Value):
                raise TypeError(
                    "save_for_backward can only save variables, but argument is of type "
                    f"{type(tensor).__name__}"
                )
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` was given, in the graph."""
        return tuple(each.value() if isinstance(each, Saved) else each for each in self._saved)

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """These outputs have no gradient."""
        self._plain = outputs

    def mark_dirty(self, *inputs: Any) -> None:
        """These inputs were changed in place, and are returned."""
        self._dirty = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (the default) or None for an output that was not used."""
        self._materializes = value


class Function:
    """Subclass it with static methods `forward(ctx, *inputs)` and `backward(ctx, *gradients)`;
    call `YourFunction.apply(*inputs)`.

    backward gets a gradient for each output, and returns one for each input, None where there is
    none. With `setup_context(ctx, inputs, output)`, forward takes no ctx.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs, on tensors that are not recorded."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Computes the gradients of the inputs from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    setup_context: Any = None

    def __call__(self, *args: Any) -> Any:
        """Raises RuntimeError: a Function is not called, but applied."""
        raise RuntimeError(f"call {type(self).__name__}.apply(...), not an instance of it")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """forward, recorded as one op if an input requires a gradient."""
        ctx = FunctionCtx(tuple(isinstance(each, Value) and each.wants_grad() for each in args))
        with no_grad():
            if cls.setup_context is None:
                out = cls.forward(ctx, *args, **kwargs)
            else:
                out = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, out)
        made = record(cls, ctx, args, out if isinstance(out, tuple) else (out,))
        return made if isinstance(out, tuple) else made[0]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a `backward` that cannot be differentiated itself: trying to is an error."""

    @functools.wraps(backward)
    def once(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            answer = backward(ctx, *gradients)
        sources = [each for each in gradients if isinstance(each, Value) and each.wants_grad()]
        if not MODE.enabled or not sources:
            return answer
        if not isinstance(answer, tuple):
            return refuse(answer, sources)
        return tuple(refuse(each, sources) for each in answer)

    return once
