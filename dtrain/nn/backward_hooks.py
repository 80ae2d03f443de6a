"""Full backward hooks: what flows back into a module's outputs and out of its inputs.

The inputs of the call go through one node together, and so do its outputs. Backward reaches the
outputs' node first, which keeps their gradients; when it reaches the inputs' node, the gradients of
all inputs are known, and the hooks are called.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dtrain.autograd.function import Function
from dtrain.autograd.modes import is_grad_enabled
from dtrain.autograd.tensor import Tensor

if TYPE_CHECKING:
    from dtrain.nn.module import Module

__all__ = ["Watch"]

Grads = tuple[Any, ...]


class Watch:
    """One call of a module that has backward hooks."""

    def __init__(self, module: "Module") -> None:
        self.module = module
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.hooks = list(module._backward_hooks.values())
        self.grad_outputs: Grads | None = None  # between the two nodes
        self.inputs = _Places((), None)
        self.outputs = _Places((), None)

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The positional arguments, through their node."""
        args, self.inputs = self._through(_Inputs, args)
        return args

    def leave(self, result: Any) -> Any:
        """The result, a tensor or a tuple, through its node."""
        if not isinstance(result, tuple | Tensor):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=5,
            )
        listed = result if isinstance(result, tuple) else (result,)
        passed, self.outputs = self._through(_Outputs, listed)
        return passed if isinstance(result, tuple) else passed[0]

    def _through(self, node: type[Function], values: Any) -> tuple[Any, "_Places"]:
        tensors = {at: each for at, each in enumerate(values) if isinstance(each, Tensor)}
        if not is_grad_enabled() or not any(each.requires_grad for each in tensors.values()):
            return values, _Places(values, None)
        passed = dict(zip(tensors, node.apply(self, *tensors.values()), strict=True))
        listed = [passed.get(at, each) for at, each in enumerate(values)]
        kind = type(values)
        return (tuple(listed) if kind is tuple else kind(*listed)), _Places(values, [*tensors])

    def at_outputs(self, gradients: Sequence[Any]) -> Grads:
        """Backward has reached the outputs: the pre-hooks may replace their gradients."""
        grads = self.outputs.spread(gradients)
        for hook in self.pre_hooks:
            answer = hook(self.module, grads)
            if answer is not None:
                grads = _checked(answer, grads, "Backward pre hook", "grad_output")
        if self.inputs.at is None:
            self._without_inputs(grads)
        else:
            self.grad_outputs = grads
        return self.outputs.gather(grads)

    def _without_inputs(self, grad_outputs: Grads) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients.",
            stacklevel=2,
        )
        nothing = self.inputs.spread(())
        for hook in self.hooks:
            answer = hook(self.module, nothing, grad_outputs)
            if answer is not None and any(each is not None for each in answer):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )

    def at_inputs(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """Backward has passed the module: the hooks may replace the gradients of the inputs."""
        if self.grad_outputs is None:  # they came by a way around the outputs
            return gradients
        grads = self.inputs.spread(gradients)
        for hook in self.hooks:
            answer = hook(self.module, grads, self.grad_outputs)
            if answer is not None:
                grads = _checked(answer, grads, "Backward hook", "grad_input")
        self.grad_outputs = None
        return self.inputs.gather(grads)


class _Places:
    """Which of several values went through a node; the others have no gradient."""

    def __init__(self, values: Sequence[Any], at: list[int] | None) -> None:
        self.count, self.at = len(values), at

    def spread(self, gradients: Sequence[Any]) -> Grads:
        """A gradient for each value, None for those that did not go through the node."""
        known = dict(zip(self.at or (), gradients, strict=True))
        return tuple(known.get(at) for at in range(self.count))

    def gather(self, gradients: Sequence[Any]) -> Grads:
        """Those of the values that did."""
        return tuple(gradients[at] for at in self.at or ())


def _checked(answer: Any, grads: Grads, who: str, what: str) -> Grads:
    answers = answer if isinstance(answer, tuple | list) else (answer,)
    if len(answers) != len(grads):
        raise RuntimeError(
            f"{who} returned an invalid number of {what}, got {len(answers)}, but expected "
            f"{len(grads)}"
        )
    return tuple(answers)


def _pass(ctx: Any, watch: Watch, tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    ctx.watch = watch
    ctx.mark_non_differentiable(*[each for each in tensors if not each.requires_grad])
    return tensors


class _Inputs(Function):
    """The inputs as they are; backward calls the hooks."""

    @staticmethod
    def forward(ctx: Any, watch: Watch, *tensors: Any) -> Any:
        return _pass(ctx, watch, tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, *ctx.watch.at_inputs(gradients)


class _Outputs(Function):
    """The outputs as they are; backward calls the pre-hooks."""

    @staticmethod
    def forward(ctx: Any, watch: Watch, *tensors: Any) -> Any:
        ctx.set_materialize_grads(False)
        return _pass(ctx, watch, tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, *ctx.watch.at_outputs(gradients)
