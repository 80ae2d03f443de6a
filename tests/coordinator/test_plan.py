"""Who gets which leaves."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.plan import bits, runs, share

SETS = st.integers(0, 2**40 - 1)


@given(SETS)
def test_runs_are_the_set_again(free: int) -> None:
    assert sum(bits(lo, hi) for lo, hi in runs(free)) == free


@given(SETS, st.integers(1, 50))
def test_shares_are_disjoint_parts_of_the_free_leaves(free: int, workers: int) -> None:
    shares = share(free, workers)
    assert len(shares) <= workers
    assert sum(bits(lo, hi) for lo, hi in shares) & ~free == 0
    assert sum(hi - lo for lo, hi in shares) == sum(
        b.bit_count() for b in [bits(*s) for s in shares]
    )


@given(st.integers(1, 100), st.integers(1, 100))
def test_shares_of_a_whole_step_differ_by_one_leaf_at_the_most(leaves: int, workers: int) -> None:
    sizes = [hi - lo for lo, hi in share(bits(0, leaves), workers)]
    assert sum(sizes) == leaves
    assert max(sizes) - min(sizes) <= 1


def test_nobody_gets_nothing() -> None:
    assert share(0, 3) == []
    assert share(0b111, 0) == []
