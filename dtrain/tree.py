"""The shape of every sum: a fixed binary tree over a step's leaves. Pure. Read this first.

Floating-point addition is not associative: a sum that depends on who computed what, or on who
answered first, changes its bits. So the *shape* of the sum is fixed, as a function of the number
of leaves alone, and the *assignment* is free: anyone may evaluate any node.

    level 2                (2,0)
                      ┌──────┴──────┐
    level 1         (1,0)         (1,1)          with five leaves, (3,0) is the root and leaf 4
                   ┌──┴──┐       ┌──┴──┐         stands alone on the right: ((0+1)+(2+3)) + 4
    level 0      (0,0) (0,1)   (0,2) (0,3)
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, Self, TypeVar


class Addable(Protocol):
    """Anything with an order-keeping `+`."""

    def __add__(self, other: Self, /) -> Self: ...


T = TypeVar("T", bound=Addable)


class Node(NamedTuple):
    """A subtree of one step's sum: leaves index*2^level ... of the micro-batches."""

    level: int
    index: int  # type: ignore[assignment]  # hides tuple.index: nobody searches in a node


def span(node: Node, leaves: int) -> range:
    """The leaves below a node; empty beyond the last leaf."""
    start = node.index << node.level
    return range(min(start, leaves), min(start + (1 << node.level), leaves))


def root(leaves: int) -> Node:
    """The node above all leaves. Raises ValueError for a step without leaves."""
    if leaves < 1:
        raise ValueError(f"a sum tree has at least one leaf, not {leaves}")
    return Node((leaves - 1).bit_length(), 0)


def children(node: Node, leaves: int) -> list[Node]:
    """One or two nodes below; one when the right half lies beyond the last leaf."""
    below = [Node(node.level - 1, 2 * node.index + side) for side in (0, 1)]
    return [child for child in below if span(child, leaves)]


def parent(node: Node) -> Node:
    """The node above."""
    return Node(node.level + 1, node.index // 2)


def sibling(node: Node) -> Node:
    """The other child of the node above; it may lie beyond the last leaf."""
    return Node(node.level, node.index ^ 1)


def is_node(node: Node, leaves: int) -> bool:
    """Whether a node exists in the tree over that many leaves."""
    return 0 <= node.level <= root(leaves).level and bool(node.index >= 0 and span(node, leaves))


def fold(node: Node, leaves: int, leaf: Callable[[int], T]) -> T:
    """Add up a subtree, left before right: the only order in which sums are ever formed."""
    if node.level == 0:
        return leaf(node.index)
    left, *right = (fold(child, leaves, leaf) for child in children(node, leaves))
    return left + right[0] if right else left


def cover(lo: int, hi: int, leaves: int) -> list[Node]:
    """The fewest nodes whose leaves are exactly lo ... hi-1, from left to right."""
    nodes = []
    while lo < hi:
        level = 0
        while _fits(Node(level + 1, lo >> (level + 1)), lo, hi, leaves):
            level += 1
        nodes.append(Node(level, lo >> level))
        lo = span(nodes[-1], leaves).stop
    return nodes


def _fits(node: Node, lo: int, hi: int, leaves: int) -> bool:
    """Whether a node starts at lo, ends within hi, and is no higher than the root."""
    below = span(node, leaves)
    return node.level <= root(leaves).level and below.start == lo and below.stop <= hi
