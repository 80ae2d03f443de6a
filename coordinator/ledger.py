"""One round's sum tree as it fills up: which leaves are settled, which sums wait for their sibling.

Pure, and generic over what is summed: the tests add up texts. Each *part* of a node's value (a
chunk of the gradient; at last the loss sums and buffers) has a tree of its own, because parts
arrive, and become roots, one by one.
"""

from typing import Generic, TypeVar

from dtrain.tree import Addable, Node, children, is_node, parent, root, span

T = TypeVar("T", bound=Addable)


class Ledger(Generic[T]):
    """The sums of one round: `leaves` micro-batches, each worth `parts` parts."""

    def __init__(self, leaves: int, parts: int) -> None:
        self.leaves = leaves
        self.parts = parts
        self._root = root(leaves)
        self._covered = [0] * parts  # for each part, a bit for each leaf that has been counted
        self._missing = [parts] * leaves  # for each leaf, the parts that have not been counted
        self._settled = 0
        # sums that wait for their sibling, by the leaves they span: a node with one child has its
        # child's value, so a span names a value and a node may be only one of its names
        self._waiting: list[dict[tuple[int, int], T]] = [{} for _ in range(parts)]

    def is_valid(self, node: Node, part: int) -> bool:
        """Whether such a part of such a node exists at all."""
        return 0 <= part < self.parts and is_node(node, self.leaves)

    def offer(self, node: Node, part: int, value: T) -> T | None:
        """Take in one part of one node; return the root's value when that completes it.

        What is covered already is ignored: any two sums of a node are equal. Sums below the node
        that wait are dropped in favour of it, so that no leaf counts twice.
        """
        if self.has(node, part):
            return None
        below = span(node, self.leaves)
        self._cover(below, part)
        waiting = self._waiting[part]
        for start, stop in [key for key in waiting if below.start <= key[0] < below.stop]:
            del waiting[start, stop]
        return self._climb(waiting, node, value)

    def has(self, node: Node, part: int) -> bool:
        """Whether this part of all leaves below the node has been counted."""
        mask = self._mask(node)
        return self._covered[part] & mask == mask

    def settled(self) -> int:
        """A bit for each leaf all of whose parts have been counted."""
        return self._settled

    def _cover(self, below: range, part: int) -> None:
        """Count this part of these leaves: kept up as sums come, because every event asks."""
        for leaf in below:
            if not self._covered[part] >> leaf & 1:
                self._covered[part] |= 1 << leaf
                self._missing[leaf] -= 1
                self._settled |= (self._missing[leaf] == 0) << leaf

    def _mask(self, node: Node) -> int:
        below = span(node, self.leaves)
        return (1 << below.stop) - (1 << below.start)

    def _climb(self, waiting: dict[tuple[int, int], T], node: Node, value: T) -> T | None:
        """Add up, left before right, as long as the sibling is there."""
        while node != self._root:
            above = parent(node)
            pair = children(above, self.leaves)
            if len(pair) == 2:
                here, there = (pair[0], pair[1]) if node == pair[0] else (pair[1], pair[0])
                other = waiting.pop(self._key(there), None)
                if other is None:
                    waiting[self._key(here)] = value
                    return None
                value = value + other if here == pair[0] else other + value
            node = above
        return value

    def _key(self, node: Node) -> tuple[int, int]:
        below = span(node, self.leaves)
        return below.start, below.stop
