"""The one graph walk. Un-broadcasting, casting and accumulation live here, and nowhere else.

Nodes leave a heap youngest first. A node is younger than those of its inputs, so when it leaves,
all that will ever be sent to it has been sent: this is a topological order, and a fixed one, in
which gradients that meet are added.
"""

import warnings
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from dtrain.autograd.callbacks import run_hooks, run_node_hooks, run_node_prehooks
from dtrain.autograd.modes import MODE, enable_grad
from dtrain.autograd.op import Fused
from dtrain.autograd.ops.reduce import sum_to
from dtrain.autograd.ops.shape import alias, cast
from dtrain.autograd.value import Array, Leaf, Node, Value

_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you "
    "call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
    "through the graph a second time or if you need to access saved tensors after calling backward."
)


def walk(seeds: Sequence[tuple[Node, Any]], retain: bool, targets: Sequence[Node] | None) -> Any:
    """Send gradients from the seeds down.

    Seeds that are arrays run the rules on arrays; seeds that are Tensors record them.
    Without targets, gradients land in the leaves' `.grad`. With targets nothing is written, and
    the result maps each target that was reached to its gradient.
    """
    heap: list[tuple[int, Node]] = []
    pending: dict[Node, Any] = {}
    reached: dict[Node, Any] = {}
    last = min((node.sequence for node in targets), default=0) if targets is not None else -1

    def send(node: Node, gradient: Any) -> None:
        held = pending.get(node)
        if held is None:
            heappush(heap, (-node.sequence, node))
            pending[node] = gradient
        else:
            pending[node] = held + gradient

    for node, gradient in seeds:
        send(node, gradient)
    while heap and -heap[0][0] >= last:
        node = heappop(heap)[1]
        gradient = _told(node, pending.pop(node))
        if targets is not None and node in targets:
            reached[node] = gradient
        if isinstance(node, Leaf):
            if targets is None:
                node.accumulate(gradient)
            continue
        gradients = _passed(node, gradient)
        if not retain and node.plan.frees:
            node.saved, node.guards = None, ()
        for (edge, shape, dtype), each in zip(node.below, gradients, strict=True):
            if each is not None:
                send(edge, _fit(each, shape, dtype))
    return reached


def _passed(node: Node, gradient: Any) -> Sequence[Any]:
    """The gradients of a node's inputs, through its hooks, looked at for NaN if that is wanted."""
    gradients = _pull(node, gradient)
    if node.extras is not None and node.extras.after:
        gradients = run_node_hooks(node.extras.after, gradients, gradient)
    if MODE.anomaly and MODE.check_nan:
        _require_numbers(node, gradients)
    return gradients


def _told(node: Node, gradient: Any) -> Any:
    """A tensor's gradient through its hooks, and into its `.grad` if it retains that."""
    if isinstance(node, Leaf):
        hooks = node.tensor._hooks
        return run_hooks(hooks, gradient) if hooks else gradient
    extras = node.extras
    if extras is None:
        return gradient
    if extras.before:
        (gradient,) = run_node_prehooks(extras.before, (gradient,))
    if extras.hooks:
        gradient = run_hooks(extras.hooks, gradient)
    tensor = None if extras.keeper is None else extras.keeper()
    if tensor is not None:
        kept = gradient if isinstance(gradient, Value) else Value.result(np.array(gradient))
        tensor._grad = kept if tensor._grad is None else tensor._grad + kept
    return gradient


def _require_numbers(node: Node, gradients: Sequence[Any]) -> None:
    """Anomaly detection: raises RuntimeError at the first NaN, with the line of the forward."""
    for at, each in enumerate(gradients):
        array = each._array if isinstance(each, Value) else each
        if isinstance(array, np.ndarray) and np.isnan(array).any():
            _warn_of(node)
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {at}th output."
            )


def _warn_of(node: Node) -> None:
    lines = "" if node.extras is None else node.extras.stack
    where = (
        f"Traceback of forward call that caused the error:\n{lines}"
        if lines
        else (
            "No forward pass information available. Enable detect anomaly during forward pass "
            "for more information."
        )
    )
    warnings.warn(f"Error detected in {node.name()}. {where}", stacklevel=2)


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
            _warn_of(node)
        raise


def _pull_formula(node: Node, op: Fused, gradient: Any) -> Sequence[Any]:
    """Record a fused op's gradients: those of its formula, run again on the same inputs."""
    assert op.formula is not None
    inputs = op.inputs_of(node)
    for index in node.plan.needed:
        inputs[index] = alias(inputs[index])  # one tensor may come in twice
    targets = [inputs[index].edge() for index in node.plan.needed]
    out = op.formula(*inputs, **node.saved[1])
    reached = walk([(out.edge(), gradient)], True, targets)
    return [reached.get(target) for target in targets]


def _fit(gradient: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A gradient in the shape and dtype of the input that it belongs to."""
    if gradient.shape != shape:
        gradient = sum_to(gradient, shape=shape)
    return gradient if gradient.dtype == dtype else cast(gradient, dtype=dtype)


def backward(
    output: Value,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradient of `output`, times `gradient`, to `.grad` of every leaf below it.

    `output` and `gradient` may be sequences, for several outputs at once. With `inputs`, gradients
    land in the `.grad` of these alone.
    Raises RuntimeError as PyTorch does: nothing to differentiate, an output of several elements
    without a gradient, a gradient of another shape, a graph that was freed, an array that backward
    needs and that was changed in place.
    """
    seeds = _seeds(_listed(output), gradient, create_graph)
    if inputs is None:
        _run(seeds, retain_graph, create_graph, None)
        return
    wanted = _listed(inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `backward` cannot be empty.")
    reached = _run(seeds, retain_graph, create_graph, [value.edge() for value in wanted])
    for value in wanted:
        _add_to_grad(value, reached.get(value.edge()))


def _add_to_grad(value: Value, gradient: Any) -> None:
    """What `accumulate` does for a leaf, for any value that backward was asked about."""
    edge = value.edge()
    if gradient is None:
        return
    if isinstance(edge, Leaf):
        edge.accumulate(gradient)
    else:
        kept = _as_value(gradient)
        value._grad = kept if value._grad is None else value._grad + kept


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Gradients of the sum of `outputs` for `inputs`, one Tensor each; no `.grad` is touched.

    Raises RuntimeError as PyTorch does, also for an input that the outputs do not depend on,
    unless `allow_unused`, which gives None for it, or `materialize_grads`, which gives zeros.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, "
            "but got: allow_unused=False."
        )
    inputs = _listed(inputs)
    seeds = _seeds(_listed(outputs), grad_outputs, create_graph)
    if not all(value._requires_grad for value in inputs):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    targets = [value.edge() for value in inputs]
    reached = _run(seeds, retain_graph, create_graph, targets)
    unused = [at for at, target in enumerate(targets) if target not in reached]
    if unused and not (allow_unused or materialize_grads):
        raise RuntimeError(
            f"The differentiated Tensor at index {unused[0]} appears to not have been used in the "
            "graph. Set allow_unused=True if this is the desired behavior."
        )
    found = [_as_value(reached.get(target)) for target in targets]
    if materialize_grads:
        found = [
            Value.result(np.zeros_like(value._array)) if each is None else each
            for each, value in zip(found, inputs, strict=True)
        ]
    return tuple(found)


def _listed(values: Any) -> list[Any]:
    return [values] if isinstance(values, Value) else list(values)


def _seeds(outputs: list[Any], gradients: Any, create_graph: bool) -> list[tuple[Node, Any]]:
    """Each output's node with the gradient to start from."""
    given = list(gradients) if isinstance(gradients, Sequence) else [gradients]
    if gradients is None:
        given = [None] * len(outputs)
    if len(given) != len(outputs):
        raise RuntimeError(
            f"got {len(outputs)} tensors and {len(given)} gradients; there is one for each"
        )
    return [
        (_edge(output, at), _seed(output, gradient, at, create_graph))
        for at, (output, gradient) in enumerate(zip(outputs, given, strict=True))
    ]


def _run(
    seeds: Sequence[tuple[Node, Any]],
    retain_graph: bool | None,
    create_graph: bool,
    targets: Sequence[Any] | None,
) -> Any:
    retain = create_graph if retain_graph is None else retain_graph
    if create_graph:
        with enable_grad():
            return walk(seeds, retain, targets)
    with np.errstate(all="ignore"):  # as in a forward: inf and nan are values, not warnings
        return walk(seeds, retain, targets)


def _edge(output: Value, at: int) -> Node:
    output.refresh()
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
        gradient = np.ones_like(array)
    given: Array = gradient._array if isinstance(gradient, Value) else np.asarray(gradient)
    if given.shape != array.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{at}] has a shape of torch.Size({list(given.shape)}) "
            f"and output[{at}] has a shape of torch.Size({list(array.shape)})."
        )
    if not create_graph:
        return given.astype(array.dtype, copy=False)
    return gradient if isinstance(gradient, Value) else Value.result(given.astype(array.dtype))


def _as_value(gradient: Any) -> Any:
    if gradient is None or isinstance(gradient, Value):
        return gradient
    return Value.result(np.array(gradient))
