"""The ledger against its dumb twin, `fold`."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.ledger import Ledger
from dtrain.tree import Node, cover, fold, root
from tests.world import Text


def leaf(k: int) -> Text:
    return Text(str(k))


def total(node: Node, leaves: int) -> Text:
    return fold(node, leaves, leaf)


@st.composite
def offers(draw: st.DrawFn) -> tuple[int, list[Node]]:
    """A number of leaves, and nodes of random ranges that cover them all, some of them twice."""
    leaves = draw(st.integers(1, 20))
    ranges = draw(st.lists(st.tuples(st.integers(0, leaves), st.integers(0, leaves)), max_size=8))
    nodes = [n for a, b in ranges for n in cover(min(a, b), max(a, b), leaves)]
    rest = [Node(0, k) for k in range(leaves)]
    return leaves, draw(st.permutations(nodes)) + draw(st.permutations(rest))


@given(offers())
def test_any_offers_in_any_order_give_the_fold_of_the_tree(case: tuple[int, list[Node]]) -> None:
    leaves, nodes = case
    ledger: Ledger[Text] = Ledger(leaves, 1)
    roots = [ledger.offer(node, 0, total(node, leaves)) for node in nodes]
    assert [r for r in roots if r is not None] == [total(root(leaves), leaves)]
    assert ledger.settled() == 2**leaves - 1


def test_a_leaf_is_settled_when_all_of_its_parts_are() -> None:
    ledger: Ledger[Text] = Ledger(3, parts=2)
    ledger.offer(Node(0, 1), 0, leaf(1))
    assert ledger.settled() == 0
    ledger.offer(Node(0, 1), 1, leaf(1))
    assert ledger.settled() == 0b010


def test_a_larger_sum_replaces_the_smaller_ones_below_it() -> None:
    ledger: Ledger[Text] = Ledger(4, 1)
    ledger.offer(Node(0, 1), 0, leaf(1))
    ledger.offer(Node(1, 0), 0, total(Node(1, 0), 4))
    ledger.offer(Node(0, 0), 0, leaf(0))
    assert ledger.offer(Node(1, 1), 0, total(Node(1, 1), 4)) == Text("((0+1)+(2+3))")


def test_nodes_beyond_the_tree_are_not_valid() -> None:
    ledger: Ledger[Text] = Ledger(5, 2)
    assert not ledger.is_valid(Node(0, 5), 0)
    assert not ledger.is_valid(Node(4, 0), 0)
    assert not ledger.is_valid(Node(0, 0), 2)
    assert ledger.is_valid(Node(3, 0), 1)


@given(offers(), st.data())
def test_what_is_settled_is_what_every_part_has(
    case: tuple[int, list[Node]], data: st.DataObject
) -> None:
    leaves, nodes = case
    ledger: Ledger[Text] = Ledger(leaves, 3)
    for node in nodes:
        ledger.offer(node, data.draw(st.integers(0, 2)), total(node, leaves))
        alike = [all(ledger.has(Node(0, k), part) for part in range(3)) for k in range(leaves)]
        assert ledger.settled() == sum(1 << k for k in range(leaves) if alike[k])
