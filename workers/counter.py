"""The sums of a lease, added up as leaves come: a binary counter over the fixed tree. Pure."""

from typing import Generic, TypeVar

from dtrain.tree import Addable, Node, children, cover, parent

T = TypeVar("T", bound=Addable)


class Counter(Generic[T]):
    """Takes leaves lo ... hi-1 in order; gives each maximal node of the range once it is summed.

    At most 1 + log2(hi - lo) values are held.
    """

    def __init__(self, lo: int, hi: int, leaves: int) -> None:
        self._leaves = leaves
        self._wanted = set(cover(lo, hi, leaves))
        self._stack: list[tuple[Node, T]] = []

    def push(self, leaf: int, value: T) -> list[tuple[Node, T]]:
        """Add the next leaf; return the wanted node that it completes, if it does."""
        node = Node(0, leaf)
        while node not in self._wanted:
            pair = children(parent(node), self._leaves)
            if len(pair) == 2 and node == pair[0]:
                self._stack.append((node, value))
                return []
            if len(pair) == 2:
                _, left = self._stack.pop()
                value = left + value
            node = parent(node)
        return [(node, value)]

    def rest(self) -> list[tuple[Node, T]]:
        """What was summed so far of a range that will not be finished, from left to right."""
        rest, self._stack = self._stack, []
        return rest
