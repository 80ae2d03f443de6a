"""A graph as text for people, or as DOT for Graphviz."""

from typing import Any

from dtrain.autograd.node import Leaf, Node


def text(node: Node | None, shape: tuple[int, ...], dtype: Any) -> str:
    """A tree, each node once: its name, and the shape and dtype of what it made. A node that is
    met again is referred to by its number."""
    lines: list[str] = []
    numbers: dict[Node, int] = {}
    stack: list[tuple[Any, ...]] = [(node, shape, dtype, "", "")]
    while stack:
        each, size, kind, head, tail = stack.pop()
        known = each in numbers
        numbers.setdefault(each, len(numbers))
        lines.append(head + _line(each, size, kind, numbers, known))
        below = [] if each is None or known else each.below
        for at, (edge, *made) in reversed(list(enumerate(below))):
            last = at == len(below) - 1
            here, under = ("└─ ", "   ") if last else ("├─ ", "│  ")
            stack.append((edge, *made, tail + here, tail + under))
    return "\n".join(lines)


def _line(node: Any, shape: Any, dtype: Any, numbers: dict[Any, int], known: bool) -> str:
    if node is None:
        return f"{_size(shape, dtype)} without a graph"
    if known:
        return f"#{numbers[node]} {node.label}, see above"
    return f"#{numbers[node]} {node.label} {_size(shape, dtype)}"


def _size(shape: Any, dtype: Any) -> str:
    return "(several outputs)" if shape is None else f"{tuple(shape)} {dtype}"


def dot(node: Node | None, shape: tuple[int, ...], dtype: Any) -> str:
    """A digraph: boxes are ops, ellipses are leaves, edges say what flows along them."""
    numbers: dict[Node, int] = {}
    nodes: list[str] = []
    edges: list[str] = []
    stack = [] if node is None else [node]
    while stack:
        each = stack.pop()
        if each in numbers:
            continue
        numbers[each] = len(numbers)
        form = "ellipse" if isinstance(each, Leaf) else "box"
        nodes.append(f'  n{id(each)} [label="{each.label}", shape={form}];')
        for edge, *made in each.below:
            if edge is None:
                continue
            edges.append(f'  n{id(edge)} -> n{id(each)} [label="{_size(*made)}"];')
            stack.append(edge)
    body = "\n".join([*nodes, *edges])
    for each, number in numbers.items():
        body = body.replace(f"n{id(each)} ", f"n{number} ")
    return f"digraph {{\n{body}\n}}"
