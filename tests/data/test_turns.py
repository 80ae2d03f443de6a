"""The order of batches, against what a simple loop would give."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dtrain.data.turns import Turns


def handed_out(
    batches: int, workers: int, ahead: int, in_order: bool, choices: list[int]
) -> list[tuple[int, int]]:
    """(number, worker) of each batch as it is handed out; `choices` say who is fast."""
    turns = Turns(workers, ahead, in_order)
    left = iter(range(batches))
    queues: list[list[int]] = [[] for _ in range(workers)]

    def assign() -> None:
        if next(left, None) is not None:
            turn = turns.next_turn()
            assert turn is not None
            queues[turn.worker].append(turn.number)

    for _ in range(ahead * workers):
        assign()
    out = []
    while not turns.is_over():
        while turns.is_waiting():
            ready = [worker for worker, queue in enumerate(queues) if queue]
            worker = ready[(choices.pop() if choices else 0) % len(ready)]
            number = queues[worker].pop(0)
            turns.arrive(number, (number, worker))
        out.append(turns.hand_out())
        assign()
    return out


@given(st.integers(0, 20), st.integers(1, 4), st.integers(1, 3), st.lists(st.integers(0, 9)))
def test_in_order_the_batches_and_their_workers_do_not_depend_on_who_is_fast(
    batches: int, workers: int, ahead: int, choices: list[int]
) -> None:
    expected = [(number, number % workers) for number in range(batches)]
    assert handed_out(batches, workers, ahead, True, choices) == expected


@given(st.integers(0, 20), st.integers(1, 4), st.integers(1, 3), st.lists(st.integers(0, 9)))
def test_out_of_order_every_batch_is_handed_out_once(
    batches: int, workers: int, ahead: int, choices: list[int]
) -> None:
    out = handed_out(batches, workers, ahead, False, choices)
    assert sorted(number for number, _ in out) == [*range(batches)]


def test_out_of_order_the_first_to_arrive_is_handed_out_first() -> None:
    turns = Turns(2, 1, in_order=False)
    assert [turns.next_turn(), turns.next_turn()] == [(0, 0), (1, 1)]
    turns.arrive(1, "second")
    assert (turns.is_waiting(), turns.hand_out()) == (False, "second")


def test_out_of_order_a_slow_worker_gets_no_more_than_its_share() -> None:
    turns = Turns(2, 1, in_order=False)
    slow, fast = turns.next_turn(), turns.next_turn()
    assert slow is not None
    assert fast is not None
    for _ in range(3):
        turns.arrive(fast.number, None)
        turns.hand_out()
        fast = turns.next_turn()
        assert fast is not None
        assert fast.worker != slow.worker


def test_what_a_worker_that_has_ended_was_to_read_is_skipped() -> None:
    turns = Turns(2, 2, in_order=True)
    taken: list[Any] = [turns.next_turn() for _ in range(4)]
    turns.end(taken[0].worker)
    turns.arrive(1, "b")
    assert (turns.is_waiting(), turns.hand_out()) == (False, "b")
    assert turns.next_turn() == (4, 1)


def test_it_is_over_when_all_workers_have_ended() -> None:
    turns = Turns(2, 1, in_order=True)
    for worker in (0, 1):
        turns.next_turn()
        turns.end(worker)
    assert (turns.is_over(), turns.next_turn()) == (True, None)
