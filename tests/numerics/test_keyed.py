import random
import threading

import numpy as np
import pytest

from dtrain import keyed
from dtrain.random import default_generator


def ambient() -> tuple[float, float, float]:
    """One draw of each global generator."""
    return random.random(), float(np.random.random()), float(default_generator.uniform((1,))[0])


def test_a_stream_is_a_function_of_its_key() -> None:
    assert keyed.stream(3, "leaf", 5, 1).random() == keyed.stream(3, "leaf", 5, 1).random()


def test_the_numbers_of_a_key_are_these_on_every_machine() -> None:
    raw = keyed.stream(0, "leaf", 1, 2).bit_generator.random_raw(3).tolist()
    assert raw == [13964025220330480165, 7907265089945709736, 14368101197893391853]
    assert keyed.order(0, 0, 8).tolist() == [2, 6, 7, 3, 4, 1, 0, 5]


def test_other_keys_give_other_numbers() -> None:
    keys = [(0, "leaf", 1, 2), (1, "leaf", 1, 2), (0, "eval", 1, 2), (0, "leaf", 2, 1)]
    alike = [(0, "leaf", 12), (0, "leaf", "1", 2), (0, "leaf", "12"), (0, "leaf1", 2)]
    draws = {keyed.stream(*key).random() for key in keys + alike}
    assert len(draws) == 8


def test_negative_and_large_seeds_are_keys_too() -> None:
    assert len({keyed.stream(seed).random() for seed in (-1, 1, 2**64 - 1, 2**200)}) == 4


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_an_order_is_a_permutation(n: int) -> None:
    order = keyed.order(7, 3, n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


def test_each_epoch_has_its_own_order() -> None:
    assert keyed.order(7, 3, 100).tolist() != keyed.order(7, 4, 100).tolist()


def test_an_order_favours_no_place() -> None:
    first = np.bincount([keyed.order(0, epoch, 4)[0] for epoch in range(2000)], minlength=4)
    assert abs(first - 500).max() < 100  # five standard deviations


def test_rng_is_the_stream_of_the_innermost_scope() -> None:
    with keyed.leaf_scope(0, 5, 1):
        outer = keyed.rng().random()
        with keyed.sample_scope(0, 2, 17):
            inner = keyed.rng().random()
        following = keyed.rng().random()
    leaf = keyed.stream(0, "leaf", 5, 1)
    assert [outer, following] == [leaf.random(), leaf.random()]
    assert inner == keyed.stream(0, "sample", 2, 17).random()


def test_a_sample_in_evaluation_has_a_stream_of_its_own() -> None:
    with keyed.sample_scope(0, None, 17):
        assert keyed.rng().random() == keyed.stream(0, "eval-sample", 17).random()


def test_rng_outside_of_a_scope_says_how_to_open_one() -> None:
    with pytest.raises(RuntimeError, match=r"with dtrain\.keyed\.sample_scope"):
        keyed.rng()


def test_a_scope_belongs_to_its_thread() -> None:
    seen: list[bool] = []

    def look() -> None:
        try:
            keyed.rng()
        except RuntimeError:
            seen.append(False)
        else:
            seen.append(True)

    with keyed.sample_scope(0, 0, 0):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [False]


@pytest.mark.parametrize(
    "scope",
    [
        lambda: keyed.leaf_scope(0, 1, 2),
        lambda: keyed.eval_scope(0, 2),
        lambda: keyed.model_scope(0),
    ],
    ids=["leaf", "eval", "model"],
)
def test_global_generators_are_seeded_inside_and_come_back_afterwards(scope: object) -> None:
    assert callable(scope)
    random.seed(1)
    np.random.seed(1)
    default_generator.manual_seed(1)
    expected = ambient(), ambient()
    random.seed(1)
    np.random.seed(1)
    default_generator.manual_seed(1)
    before = ambient()
    with scope():
        first = ambient()
    with scope():
        second = ambient()
    assert first == second != before
    assert (before, ambient()) == expected


def test_global_generators_come_back_after_an_error() -> None:
    random.seed(1)
    state = random.getstate()
    with pytest.raises(ZeroDivisionError), keyed.leaf_scope(0, 0, 0):
        _ = random.random() / 0
    assert random.getstate() == state


def test_leaves_seed_the_global_generators_apart() -> None:
    draws = set()
    for leaf in range(4):
        with keyed.leaf_scope(0, 0, leaf):
            draws |= set(ambient())
    assert len(draws) == 12


def test_the_model_is_made_with_the_jobs_own_seed() -> None:
    with keyed.model_scope(6):
        assert default_generator.initial_seed() == 6
