"""The shape of the sums."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain.tree import Node, children, cover, fold, is_node, parent, root, sibling, span

leaf_counts = st.integers(1, 200)


@dataclass(frozen=True)
class Text:
    """A value that remembers how it was grouped."""

    text: str

    def __add__(self, right: "Text") -> "Text":
        return Text(f"({self.text}+{right.text})")


def text(k: int) -> Text:
    return Text(str(k))


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int, int]:
    """Leaves lo ... hi-1 of so many."""
    leaves = draw(leaf_counts)
    lo = draw(st.integers(0, leaves - 1))
    return lo, draw(st.integers(lo + 1, leaves)), leaves


def nodes_of(leaves: int) -> list[Node]:
    top = root(leaves).level
    every = [Node(level, i) for level in range(top + 1) for i in range(leaves)]
    return [node for node in every if span(node, leaves)]


@pytest.mark.parametrize(
    ("leaves", "grouping"),
    [
        (1, "0"),
        (2, "(0+1)"),
        (3, "((0+1)+2)"),
        (5, "(((0+1)+(2+3))+4)"),
        (6, "(((0+1)+(2+3))+(4+5))"),
        (8, "(((0+1)+(2+3))+((4+5)+(6+7)))"),
    ],
)
def test_leaves_are_grouped_as_the_tree_says(leaves: int, grouping: str) -> None:
    assert fold(root(leaves), leaves, text) == Text(grouping)


@given(leaf_counts)
def test_the_root_covers_every_leaf_and_no_lower_node_does(leaves: int) -> None:
    top = root(leaves)
    assert span(top, leaves) == range(leaves)
    assert top.level == 0 or len(span(Node(top.level - 1, 0), leaves)) < leaves


def test_a_step_without_leaves_has_no_tree() -> None:
    with pytest.raises(ValueError, match="at least one leaf"):
        root(0)


@given(ranges())
def test_a_cover_is_exactly_its_range_from_left_to_right(case: tuple[int, int, int]) -> None:
    lo, hi, leaves = case
    assert [k for node in cover(lo, hi, leaves) for k in span(node, leaves)] == list(range(lo, hi))


@given(st.integers(1, 40), st.data())
def test_a_cover_has_the_fewest_nodes_that_there_can_be(leaves: int, data: st.DataObject) -> None:
    lo = data.draw(st.integers(0, leaves - 1))
    hi = data.draw(st.integers(lo + 1, leaves))
    fewest = {lo: 0}  # nodes needed to reach a leaf, by trying all that start where others end
    for k in range(lo, hi):
        for node in nodes_of(leaves):
            below = span(node, leaves)
            if k in fewest and below.start == k and below.stop <= hi:
                reach = fewest[k] + 1
                fewest[below.stop] = min(fewest.get(below.stop, reach), reach)
    assert len(cover(lo, hi, leaves)) == fewest[hi]


def test_an_empty_range_is_covered_by_nothing() -> None:
    assert cover(3, 3, 8) == []


@given(leaf_counts, st.data())
def test_folding_the_covers_of_any_split_gives_the_fold_of_the_root(
    leaves: int, data: st.DataObject
) -> None:
    cuts = sorted({0, leaves, *data.draw(st.lists(st.integers(0, leaves), max_size=6))})
    found = {}  # by the range below: nodes with one child are worth the same as that child
    for lo, hi in pairwise(cuts):
        for node in cover(lo, hi, leaves):
            found[span(node, leaves)] = fold(node, leaves, text)

    def worth(node: Node) -> Text:
        if span(node, leaves) in found:
            return found[span(node, leaves)]
        left, *right = (worth(child) for child in children(node, leaves))
        return left + right[0] if right else left

    assert worth(root(leaves)) == fold(root(leaves), leaves, text)


@given(leaf_counts, st.data())
def test_parent_child_and_sibling_agree(leaves: int, data: st.DataObject) -> None:
    node = data.draw(st.sampled_from(nodes_of(leaves)))
    if node.level > 0:
        below = children(node, leaves)
        assert {parent(child) for child in below} == {node}
        assert len(below) == 1 or sibling(below[0]) == below[1]


@pytest.mark.parametrize("node", [Node(-1, 0), Node(0, 5), Node(0, -1), Node(4, 0), Node(2, 2)])
def test_a_node_outside_the_tree_is_not_one(node: Node) -> None:
    assert not is_node(node, 5)


def test_every_node_with_leaves_is_one() -> None:
    assert all(is_node(node, 5) for node in nodes_of(5))
