"""A sample that is read for long becomes an event that a person understands."""

import pytest

from coordinator.events import Note
from coordinator.words import sentence
from dtrain.wire.messages import Slow
from tests.coordinator.bench import Bench, did


@pytest.mark.parametrize(
    ("slow", "words"),
    [
        (Slow("train", 3, 17, 10.2), "sample 17 (step 5, leaf 3) has been read for 10 s on w0@h"),
        (
            Slow("eval", 0, 2, 61.0),
            "sample 2 (evaluation after step 5, leaf 0) has been read for 61 s on w0@h",
        ),
        (
            Slow("train", 3, -1, 10.0),
            "samples, many at once, (step 5, leaf 3) have been read for 10 s on w0@h",
        ),
    ],
)
def test_it_says_which_sample_where_and_on_whom(slow: Slow, words: str) -> None:
    bench = Bench()
    bench.join("w0")
    [note] = did(bench.hear("w0", slow, step=5), Note)
    assert sentence(note.event, note.fields) == words


def test_a_worker_that_still_prepares_may_say_it_too() -> None:
    bench = Bench()
    bench.hello("w0")
    [note] = did(bench.hear("w0", Slow("train", 0, 1, 10.0)), Note)
    assert (note.event, note.fields["worker"]) == ("slow", "w0@h")
