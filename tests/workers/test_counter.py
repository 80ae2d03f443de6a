"""The sums of a lease against their dumb twin, `fold`."""

from hypothesis import given
from hypothesis import strategies as st

from dtrain.tree import cover, fold
from tests.world import Text
from workers.counter import Counter


def leaf(k: int) -> Text:
    return Text(str(k))


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int, int]:
    leaves = draw(st.integers(1, 40))
    lo = draw(st.integers(0, leaves - 1))
    return lo, draw(st.integers(lo + 1, leaves)), leaves


@given(ranges())
def test_a_whole_lease_gives_the_nodes_that_cover_it(case: tuple[int, int, int]) -> None:
    lo, hi, leaves = case
    counter: Counter[Text] = Counter(lo, hi, leaves)
    given_ = [pair for k in range(lo, hi) for pair in counter.push(k, leaf(k))]
    assert given_ == [(node, fold(node, leaves, leaf)) for node in cover(lo, hi, leaves)]
    assert counter.rest() == []


@given(ranges(), st.data())
def test_a_lease_that_is_cut_short_leaves_sums_of_all_that_was_done(
    case: tuple[int, int, int], data: st.DataObject
) -> None:
    lo, hi, leaves = case
    end = data.draw(st.integers(lo, hi))
    counter: Counter[Text] = Counter(lo, hi, leaves)
    given_ = [pair for k in range(lo, end) for pair in counter.push(k, leaf(k))]
    for node, value in given_ + counter.rest():
        assert value == fold(node, leaves, leaf)
        lo += 1 if node.level == 0 else min(1 << node.level, leaves - lo)
    assert lo == end


@given(ranges())
def test_few_values_are_held(case: tuple[int, int, int]) -> None:
    lo, hi, leaves = case
    counter: Counter[Text] = Counter(lo, hi, leaves)
    for k in range(lo, hi):
        counter.push(k, leaf(k))
        assert len(counter._stack) <= 1 + (hi - lo).bit_length()
