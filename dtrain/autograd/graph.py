"""The one graph walk. Un-broadcasting, casting and accumulation live here, and nowhere else.

Nodes leave a heap youngest first. A node is younger than those of its inputs, so when it leaves,
all that will ever be sent to it has been sent: this is a topological order, and a fixed one, in
which gradients that meet are added.
"""

import warnings
from collections.abc import Sequence, Set
from heapq import heappop, heappush
from typing import Any

import numpy as np

from dtrain.autograd.anomaly import require_numbers, warn_of
from dtrain.autograd.callbacks import run_hooks, run_node_hooks, run_node_prehooks
from dtrain.autograd.modes import MODE
from dtrain.autograd.node import Leaf, Node
from dtrain.autograd.op import Fused
from dtrain.autograd.ops.reduce import sum_to
from dtrain.autograd.ops.shape import alias, cast, clone
from dtrain.autograd.value import Array, Value, require_apart

Seed = tuple[Node, Any]
_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you "
    "call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
    "through the graph a second time or if you need to access saved tensors after calling backward."
)


def walk(
    seeds: Sequence[Seed],
    retain: bool,
    targets: Set[Node] | None = None,
    lands: bool = False,
    stops: bool = False,
) -> dict[Node, Any]:
    """Send gradients from the seeds down.

    Seeds that are arrays run the rules on arrays; seeds that are Tensors record them.
    Without targets, gradients land in the leaves' `.grad`. With targets only nodes above them are
    passed, and the result maps each target that was reached to its gradient; if that `lands`, the
    targets are passed, too, as in PyTorch, but nothing goes on from them. If it `stops` at targets,
    what one of them gets from below another is not in it, and their hooks are not called.
    """
    heap: list[tuple[int, Node]] = []
    pending: dict[Node, Any] = {}
    reached: dict[Node, Any] = {}
    above = None if targets is None else _above(targets, seeds)
    wanted = None if above is None or targets is None else above | targets
    passed = wanted if lands else above

    def send(node: Node, gradient: Any) -> None:
        held = pending.get(node)
        if held is None:
            heappush(heap, (-node.sequence, node))
            pending[node] = gradient
        else:
            pending[node] = held + gradient

    for node, gradient in seeds:
        send(node, gradient)
    while heap:
        node = heappop(heap)[1]
        arrived = pending.pop(node)
        if stops and targets and node in targets:
            reached[node] = arrived
            continue
        gradient = _told(node, arrived)
        passes = passed is None or node in passed
        if targets and node in targets:  # as in PyTorch, unaltered by hooks where the walk goes on
            reached[node] = arrived if passes else gradient
        if not passes:
            continue
        if isinstance(node, Leaf):
            _accumulate(node.tensor, gradient)
            continue
        gradients = _passed(node, gradient)
        if not retain and node.plan.frees:
            node.saved, node.guards = None, ()
        for (edge, shape, dtype), each in zip(node.below, gradients, strict=True):
            if each is not None and edge is not None and (wanted is None or edge in wanted):
                send(edge, _fit(each, shape, dtype))
    return reached


def _above(targets: Set[Node], seeds: Sequence[Seed]) -> set[Node]:
    """The nodes between the seeds and a target: those that have one below them."""
    oldest = min((node.sequence for node in targets), default=0)
    seen: set[Node] = set()
    stack = [node for node, _ in seeds]
    while stack:
        node = stack.pop()
        if node.sequence > oldest and node not in seen:
            seen.add(node)
            stack += [edge for edge, _, _ in node.below if edge is not None]
    above: set[Node] = set()
    for node in sorted(seen, key=lambda each: each.sequence):
        if any(edge in above or edge in targets for edge, _, _ in node.below):
            above.add(node)
    return above


def _accumulate(leaf: Value, gradient: Any) -> None:
    """Assign the first gradient, add later ones; then the leaf's hooks that wait for that."""
    if leaf._node is not None:
        raise RuntimeError("leaf variable has been moved into the graph interior")
    if leaf._requires_grad:  # still
        _add(leaf, gradient)
    if leaf._landed:
        for hook in list(leaf._landed.values()):
            hook(leaf)


def _add(leaf: Value, gradient: Any) -> None:
    held = leaf._grad
    if isinstance(gradient, Value):
        leaf._grad = clone(gradient) if held is None else held + gradient
    elif held is None:
        leaf._grad = Value.result(_settled(gradient, leaf._grad_home))
    else:
        require_apart(held._array)
        held._array += gradient
        held._bump()


def _settled(gradient: Any, home: Array | None) -> Array:
    """Copy a gradient, which may be a view of something, into its home or a fresh array."""
    if home is None:
        return np.array(gradient, order="C")
    np.copyto(home, gradient)
    return home


def _passed(node: Node, gradient: Any) -> Sequence[Any]:
    """The gradients of a node's inputs, through its hooks, looked at for NaN if that is wanted."""
    extras = node.extras
    if extras is not None and extras.before:
        (gradient,) = run_node_prehooks(extras.before, (gradient,))
    gradients = _pull(node, gradient)
    if extras is not None and extras.after:
        gradients = run_node_hooks(extras.after, gradients, gradient)
    if MODE.anomaly and MODE.check_nan:
        require_numbers(node, gradients)
    return gradients


def _told(node: Node, gradient: Any) -> Any:
    """A tensor's gradient through its hooks, and into its `.grad` if it retains that."""
    if isinstance(node, Leaf):
        hooks = node.tensor._hooks
        return run_hooks(hooks, gradient) if hooks else gradient
    extras = node.extras
    if extras is None:
        return gradient
    if extras.hooks:
        gradient = run_hooks(extras.hooks, gradient)
    tensor = None if extras.keeper is None else extras.keeper()
    if tensor is not None:
        kept = gradient if isinstance(gradient, Value) else Value.result(np.array(gradient))
        tensor._grad = kept if tensor._grad is None else tensor._grad + kept
    return gradient


def _pull(node: Node, gradient: Any) -> Sequence[Any]:
    if node.saved is None:
        raise RuntimeError(_FREED)
    if node.guards:
        node.op.require_unchanged(node)
    try:
        if isinstance(gradient, Value) and isinstance(node.op, Fused) and node.op.formula:
            return _pull_formula(node, node.op, gradient)
        gradients: Sequence[Any] = node.op.pull(node, gradient)
        return gradients
    except Exception:
        if MODE.anomaly:
            warn_of(node)
        raise


def _pull_formula(node: Node, op: Fused, gradient: Any) -> Sequence[Any]:
    """Record a fused op's gradients: those of its formula, run again on the same inputs."""
    assert op.formula is not None
    inputs = op.inputs_of(node)
    for index in node.plan.needed:
        inputs[index] = alias(inputs[index])  # one tensor may come in twice
    targets = [inputs[index].edge() for index in node.plan.needed]
    out = op.formula(*inputs, **node.saved[1])
    reached = walk([(out.edge(), gradient)], retain=True, targets=set(targets))
    return [reached.get(target) for target in targets]


def _fit(gradient: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A gradient in the shape and dtype of the input that it belongs to."""
    if gradient.shape != shape:
        gradient = sum_to(gradient, shape=shape)
    return gradient if gradient.dtype == dtype else cast(gradient, dtype=dtype)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradient of `tensors`, times `grad_tensors`, to `.grad` of every leaf below them.

    Both may be sequences, for several outputs at once. With `inputs`, gradients land in the `.grad`
    of these alone; one that is no leaf retains its gradient from then on. `grad_variables` is an
    old name of `grad_tensors`.
    Raises RuntimeError as PyTorch does: nothing to differentiate, an output of several elements
    without a gradient, a gradient of another shape, a graph that was freed, an array that backward
    needs and that was changed in place. TypeError for a gradient that is no Tensor.
    """
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if grad_tensors is not None:
            raise RuntimeError("`grad_tensors` and `grad_variables` are the same: give one of them")
        grad_tensors = grad_variables
    wanted = None if inputs is None else _listed(inputs)
    if wanted is not None and not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    seeds = _seeds(_listed(tensors), grad_tensors, create_graph)
    if wanted is None:
        _run(seeds, retain_graph, create_graph)
        return
    for value in wanted:
        value.retain_grad()
    targets = {value.edge() for value in wanted} - {None}
    _run(seeds, retain_graph, create_graph, targets, lands=True)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Gradients of the sum of `outputs` for `inputs`, one Tensor each; no `.grad` is touched.

    Raises RuntimeError as PyTorch does, also for an input that the outputs do not depend on,
    unless `allow_unused`, which gives None for it, or `materialize_grads`, which gives zeros.
    """
    _require_plain(only_inputs, is_grads_batched, allow_unused, materialize_grads)
    inputs = _listed(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    seeds = _seeds(_listed(outputs), grad_outputs, create_graph)
    if not all(value.wants_grad() for value in inputs):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    targets = [value.edge() for value in inputs]
    reached = _run(seeds, retain_graph, create_graph, {*targets} - {None})
    unused = [at for at, target in enumerate(targets) if target not in reached]
    if unused and not (allow_unused or materialize_grads):
        raise RuntimeError(
            f"The differentiated Tensor at index {unused[0]} appears to not have been used in the "
            "graph. Set allow_unused=True if this is the desired behavior."
        )
    found = (reached.get(target) for target in targets)
    return tuple(
        Value.result(np.zeros_like(value._array))
        if each is None and materialize_grads
        else _as_value(each)
        for each, value in zip(found, inputs, strict=True)
    )


def grad_between(
    outputs: Sequence[Value], gradients: Sequence[Value], edges: Sequence[Node], create_graph: bool
) -> list[Any]:
    """What a part of a graph sends to each of the edges where it begins, or None. Not beyond them,
    as `grad` does where one edge is below another, and without their hooks."""
    seeds = _seeds([*outputs], gradients, create_graph)
    reached = _run(seeds, None, create_graph, {*edges}, stops=True)
    return [_as_value(reached.get(edge)) for edge in edges]


def _require_plain(
    only_inputs: bool, batched: bool, allow_unused: bool | None, materialize: bool
) -> None:
    """Options of `grad` that there are not (NotImplementedError), or that do not go together."""
    if batched:
        raise NotImplementedError("is_grads_batched: dtrain has no vmap; call grad once for each")
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To "
            "accumulate gradient for other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=3,
        )
    if materialize and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, "
            "but got: allow_unused=False."
        )


def _listed(values: Any) -> list[Any]:
    return [values] if isinstance(values, Value) else list(values)


def _seeds(outputs: list[Any], gradients: Any, create_graph: bool) -> list[Seed]:
    """Each output's node with the gradient to start from."""
    given = [None] * len(outputs) if gradients is None else _listed(gradients)
    if len(given) != len(outputs):
        raise RuntimeError(
            f"got {len(outputs)} tensors and {len(given)} gradients; there is one for each"
        )
    for each in given:
        if each is not None and not isinstance(each, Value):
            raise TypeError(
                f"gradients can be either Tensors or None, but got {type(each).__name__}"
            )
    return [
        (_edge(output, at), _seed(output, gradient, at, create_graph))
        for at, (output, gradient) in enumerate(zip(outputs, given, strict=True))
    ]


def _run(
    seeds: Sequence[Seed],
    retain_graph: bool | None,
    create_graph: bool,
    targets: Set[Node] | None = None,
    lands: bool = False,
    stops: bool = False,
) -> dict[Node, Any]:
    """The walk, in the mode that hooks and rules see: they record where gradients are recorded."""
    retain = create_graph if retain_graph is None else retain_graph
    before, MODE.enabled = MODE.enabled, create_graph
    try:
        with np.errstate(all="ignore"):  # as in a forward: inf and nan are values, not warnings
            return walk(seeds, retain, targets, lands, stops)
    finally:
        MODE.enabled = before


def _edge(output: Value, at: int) -> Node:
    edge = output.edge()
    if edge is None:
        raise RuntimeError(
            f"element {at} of tensors does not require grad and does not have a grad_fn"
        )
    return edge


def _seed(output: Value, gradient: Any, at: int, create_graph: bool) -> Any:
    """The gradient to start with: ones for a scalar, or what was given, checked."""
    array = output._array
    if gradient is None:
        if array.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        gradient = Value.result(np.ones_like(array))
    given = gradient._array
    if given.shape != array.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{at}] has a shape of torch.Size({list(given.shape)}) "
            f"and output[{at}] has a shape of torch.Size({list(array.shape)})."
        )
    if not create_graph:
        return given.astype(array.dtype, copy=False)
    return gradient if given.dtype == array.dtype else cast(gradient, dtype=array.dtype)


def _as_value(gradient: Any) -> Any:
    if gradient is None or isinstance(gradient, Value):
        return gradient
    return Value.result(np.array(gradient))
