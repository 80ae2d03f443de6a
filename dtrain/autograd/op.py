"""What an op is, and the table of all of them.

    @op(a=lambda g, b: g * b, b=lambda g, a: g * a)
    def mul(a: Array, b: Array) -> Array:
        \"\"\"Product.\"\"\"
        return a * b

A forward works on arrays. Its positional parameters are the inputs, its keyword-only ones are
options. Each differentiable input has one gradient rule, a keyword named as that input. What a
rule needs it says by the names of its own parameters:

    g            the gradient of the output        out          the output
    NAME         an input                          NAME_shape   its shape alone
    OPTION       an option

A node keeps just what the rules of the inputs that require a gradient name, so memory is freed as
early as it can be. Rules are written with operators and ops, which take arrays and Tensors alike:
on arrays they run at NumPy's speed, on Tensors they are recorded, and that is `create_graph=True`.
Rules need not care for broadcasting or dtype: the graph walk fits a gradient to its input.

What is kept must not be changed in place before backward: the user's arrays are guarded by their
version counters, and a change is an error that names them.

An op that is a `view` may return an array that shares its first input's memory, and is then told
to in-place changes. Where one hand-written backward for all inputs is faster, the op is `fused`.
"""

import contextvars
import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

import numpy as np

from dtrain.autograd.modes import MODE
from dtrain.autograd.node import OUT, Guard, Leaf, Node, Plan, nodes_called
from dtrain.autograd.value import Array, Value, attach, memory, opened, view_of

Rule: TypeAlias = Callable[..., Any]
Prepare: TypeAlias = Callable[[list[Any]], list[Any]]
Backward: TypeAlias = Callable[[Any, Sequence[bool]], Sequence[Any]]

OPS: dict[str, "Op"] = {}
# PyTorch does not warn of overflow or of a division by zero: it returns inf or nan. A context that
# NumPy has been told so in once takes a quarter of the time of np.errstate.
_CALM = contextvars.Context()
_CALM.run(np.seterr, all="ignore")


class Op:
    """A function of arrays with a gradient rule for each differentiable input.

    Called with a Tensor among its inputs it returns a Tensor, and is recorded where one of them
    requires a gradient; called with arrays alone it returns an array.

    Attributes: `name`; `nodes`, the class of its nodes, named as PyTorch names it; `family`, the
    file it is declared in; `inputs` and `options`, names; `domain`, the range that samples of its
    inputs are drawn from (None: not elementwise).
    """

    shown: int | None = None  # the inputs in `next_functions`, if not all differentiable ones
    frees = False  # whether backward frees a call's node though no array is kept

    def __init__(
        self,
        forward: Callable[..., Any],
        rules: dict[str, Rule],
        prepare: Prepare | None = None,
        domain: tuple[float, float] | None = None,
        label: str | None = None,
        view: bool = False,
    ) -> None:
        self.name = forward.__name__.rstrip("_")
        self.nodes = nodes_called(f"{label or self.name.title().replace('_', '')}Backward0")
        self.__doc__ = forward.__doc__
        self.family = forward.__module__.rpartition(".")[2]
        self.domain = domain
        self.inputs, self.options = _signature(forward)
        self.rules = rules
        self.differentiable = self._mask_of(rules)
        self._forward = forward
        self._prepare = prepare
        self._is_view = view
        self._plans: dict[int, Plan] = {}
        if self.name in OPS:
            raise ValueError(f"there are two ops named {self.name}")
        OPS[self.name] = self

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def called(self, label: str, only: int | None = None) -> Self:
        """This op, its nodes under another name: what is one op here may be several in PyTorch.
        `only`: the number of the one input that is a tensor there."""
        twin = copy.copy(self)
        twin.nodes = nodes_called(label)
        twin.shown = None if only is None else 1 << only
        return twin

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        arrays, mask, tensors, adrift = [], 0, False, False
        for index, value in enumerate(inputs):
            if isinstance(value, Value):
                tensors = True
                if value._view is not None and MODE.enabled:
                    adrift |= value.is_adrift() and bool(self.differentiable >> index & 1)
                if value._requires_grad:
                    mask |= 1 << index
                value = value._array
            arrays.append(value)
        ready = arrays if self._prepare is None else self._prepare(arrays)
        out, extra = self._run(ready, options)
        if not tensors:
            return out
        if type(out) is not np.ndarray:
            out = np.asarray(out)
        result = Value.result(out)
        mask &= self.differentiable
        if (mask or adrift) and MODE.enabled and out.dtype.kind == "f":
            plan = self._plans.get(mask) or self._make_plan(mask)
            node = self.nodes(self, plan, inputs)
            node.saved = self._save(plan, out, arrays, options, extra)
            if plan.guarded or plan.guards_out:
                node.guards = _guards(plan, inputs, result)
            result._node, result._requires_grad = node, True
        if self._is_view and _share(out, arrays[0]):
            opened(out, arrays[0])
            view_of(result, inputs[0], self, options)
        return result

    def require_unchanged(self, node: Node) -> None:
        """Raises RuntimeError, as PyTorch does, if a saved array was changed in place."""
        for version, count, index in node.guards:
            if version[0] != count:
                raise RuntimeError(self._changed(node, version[0], count, index))

    def _changed(self, node: Node, now: int, then: int, index: int) -> str:
        edge = node if index == OUT else node.edges().get(index)
        made = (
            ""
            if edge is None or isinstance(edge, Leaf)
            else f", which is output 0 of {edge.name()},"
        )
        what = "the result" if index == OUT else f"input {index}"
        return (
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: {what} of {self.name}{made} is at version {now}; expected version {then} "
            "instead. Hint: enable anomaly detection to find the operation that failed to compute "
            "its gradient, with torch.autograd.set_detect_anomaly(True)."
        )

    def pull(self, node: Node, g: Any) -> Sequence[Any]:
        """The gradients of the needed inputs of one recorded call, recorded if `g` is a Tensor."""
        values = [g, *node.saved]
        if isinstance(g, Value):
            self._attach(node, values)
        return [rule(*[values[position] for position in at]) for rule, at in node.plan.rules]

    def _run(self, arrays: list[Any], options: dict[str, Any]) -> tuple[Any, Any]:
        try:
            return _CALM.copy().run(self._forward, *arrays, **options), None
        except np.exceptions.AxisError as error:
            raise IndexError(f"Dimension out of range ({self.name}: {error})") from None
        except ValueError as error:  # PyTorch's class for shapes that do not go together
            raise RuntimeError(_refusal(self.name, arrays, error)) from None

    def _save(
        self, plan: Plan, out: Array, arrays: list[Any], options: dict[str, Any], extra: Any
    ) -> list[Any]:
        values = [None, out, *arrays]
        if plan.kept and plan.kept[-1] >= len(values):
            values += map(np.shape, arrays)
            values += (self.options | options).values()
        return [values[position] for position in plan.kept]

    def _attach(self, node: Node, values: list[Any]) -> None:
        """Put the output and the inputs back into the graph that they came from."""
        back = _way_back(self, node)
        for at, position in enumerate(node.plan.kept, 1):
            if 1 <= position < 2 + len(self.inputs):
                values[at] = back(position - 2, values[at])

    def _make_plan(self, mask: int) -> Plan:
        arrays = ["out", *self.inputs]
        names = ["g", *arrays, *(f"{name}_shape" for name in self.inputs), *self.options]
        needed = tuple(index for index in range(len(self.inputs)) if mask >> index & 1)
        rules = [self.rules[self.inputs[index]] for index in needed]
        wanted = [
            [names.index(name) for name in inspect.signature(rule).parameters] for rule in rules
        ]
        kept = tuple(sorted({position for each in wanted for position in each} - {0}))
        places = {0: 0} | {position: at for at, position in enumerate(kept, 1)}
        arguments = [tuple(places[position] for position in each) for each in wanted]
        frees = self.frees or any(position <= len(arrays) for position in kept)
        guarded = tuple(position - 2 for position in kept if 2 <= position <= len(arrays))
        plan = Plan(
            needed,
            tuple(zip(rules, arguments, strict=True)),
            kept,
            guarded,
            guards_out=1 in kept,
            frees=frees,
        )
        self._plans[mask] = plan
        return plan

    def _mask_of(self, names: Sequence[str] | dict[str, Rule]) -> int:
        unknown = [name for name in names if name not in self.inputs]
        if unknown:
            raise TypeError(f"{self.name} has no input {unknown[0]!r}, only {self.inputs}")
        return sum(1 << self.inputs.index(name) for name in names)


class Fused(Op):
    """An op whose forward returns `(out, backward)`, one backward for all inputs."""

    def __init__(
        self,
        forward: Callable[..., Any],
        differentiable: Sequence[str],
        formula: Rule | None,
        unsaved: Sequence[str] = (),
        saves_out: bool = False,
        label: str | None = None,
    ) -> None:
        super().__init__(forward, {}, label=label)
        self.formula = formula
        self.unsaved, self.saves_out = frozenset(unsaved), saves_out
        variadic = self.inputs[:1] == ("*",)
        self.differentiable = -1 if variadic else self._mask_of(differentiable)

    def _run(self, arrays: list[Any], options: dict[str, Any]) -> tuple[Any, Any]:
        out, backward = _CALM.copy().run(self._forward, *arrays, **options)
        return out, backward

    def pull(self, node: Node, g: Any) -> Sequence[Any]:
        arrays, _, backward = node.saved
        needed = node.plan.needed
        gradients = backward(g, [index in needed for index in range(len(arrays))])
        return [gradients[index] for index in needed]

    def inputs_of(self, node: Node) -> list[Any]:
        """The inputs of a recorded call, the differentiable ones put back into their graph."""
        back = _way_back(self, node)
        return [back(index, array) for index, array in enumerate(node.saved[0])]

    def _save(
        self, plan: Plan, out: Array, arrays: list[Any], options: dict[str, Any], extra: Any
    ) -> Any:
        return arrays, options, extra

    def _make_plan(self, mask: int) -> Plan:
        needed = tuple(index for index in range(mask.bit_length()) if mask >> index & 1)
        guarded = tuple(
            index
            for index, name in enumerate(self.inputs)
            if self.differentiable >> index & 1 and name not in {*self.unsaved, "*"}
        )
        frees = self.formula is not None
        plan = self._plans[mask] = Plan(needed, (), (), guarded, self.saves_out, frees)
        return plan


def op(
    *,
    prepare: Prepare | None = None,
    domain: tuple[float, float] | None = None,
    label: str | None = None,
    view: bool = False,
    **rules: Rule,
) -> Callable[[Callable[..., Any]], Op]:
    """Declare an op: see the top of this file.

    `prepare` brings the input arrays into form (PyTorch's type promotion, say) before the forward.
    """
    return lambda forward: Op(forward, rules, prepare, domain, label, view)


def fused(
    *differentiable: str,
    formula: Rule | None,
    unsaved: Sequence[str] = (),
    saves_out: bool = False,
    label: str | None = None,
) -> Callable[[Callable[..., Any]], Fused]:
    """Declare a fused op, whose forward returns `(out, backward)`.

    `backward(g, needs)` works on arrays and returns a gradient for each input, or None where
    `needs` is false. `formula` is the same function composed of other ops: `create_graph=True`
    differentiates it, and tests hold the fused forward and backward against it. A formula of None
    says that `backward` is written as rules are, and can be recorded itself; only this form may
    take any number of inputs (`*arrays`).

    `unsaved` names inputs whose elements `backward` does not read, so that they may be changed in
    place before it; `saves_out` says that it reads the output, which then may not. Tests hold an op
    to what it says here.
    """
    return lambda forward: Fused(forward, differentiable, formula, unsaved, saves_out, label)


def _refusal(name: str, arrays: Sequence[Any], error: ValueError) -> str:
    """What to say of arrays that do not go together: PyTorch's words if they do not broadcast."""
    shapes = [np.shape(array) for array in arrays]
    if "could not be broadcast together" in str(error):
        rank = max(map(len, shapes))
        padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
        for dim in reversed(range(rank)):
            sizes = [shape[dim] for shape in padded if shape[dim] != 1]
            other = [size for size in sizes if size != sizes[0]]
            if other:
                return (
                    f"The size of tensor a ({sizes[0]}) must match the size of tensor b "
                    f"({other[0]}) at non-singleton dimension {dim}"
                )
    return f"{name} of {', '.join(map(str, shapes))}: {error}"


def _guards(plan: Plan, inputs: Sequence[Any], result: Value) -> list[Guard]:
    """The versions of what is kept, as they are now."""
    guards = []
    for index in plan.guarded:
        value = inputs[index] if index < len(inputs) else None
        if isinstance(value, Value):
            version = value._version_ or value.version()
            guards.append((version, version[0], index))
    if plan.guards_out:
        version = result.version()
        guards.append((version, version[0], OUT))
    return guards


def _way_back(op: Op, node: Node) -> Callable[[int, Any], Any]:
    """A function of an input's number (or OUT) and its saved array: the value that it was."""
    edges = node.edges()
    versions = {index: version for version, _, index in node.guards}

    def back(index: int, array: Any) -> Any:
        if index == OUT:
            return attach(array, node, versions.get(OUT))
        if not op.differentiable >> index & 1:
            return array
        return attach(array, edges.get(index), versions.get(index))

    return back


def _share(out: Array, array: Any) -> bool:
    """Whether what an op returned looks at the memory of its input."""
    below = out.base
    return below is not None and (
        below is array or below is array.base or memory(out) is memory(array)
    )


def _signature(forward: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The names of the inputs (of any number of them: "*"), and the options with defaults."""
    inputs: list[str] = []
    options = {}
    for name, parameter in inspect.signature(forward).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            options[name] = parameter.default
        else:
            inputs.append("*" if parameter.kind is parameter.VAR_POSITIONAL else name)
    return tuple(inputs), options
