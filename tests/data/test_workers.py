"""DataLoader with worker processes, in one piece and in pieces."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain.data import DataLoader, Dataset, TensorDataset
from dtrain.data.worker import Failure
from tests.data.loading import (
    Counting,
    Draws,
    Info,
    Large,
    Odd,
    Squares,
    TwoArguments,
    drop_missing,
    fail,
    plain,
    shift,
)

ROOT = Path(__file__).resolve().parents[2]
METHODS = ["fork", pytest.param("spawn", marks=pytest.mark.slow)]


def labels(loader: Any) -> list[Any]:
    return [plain(batch[1]) for batch in loader]


def loader(dataset: Dataset[Any], batch_size: int | None = 4, **options: Any) -> DataLoader[Any]:
    options = {"num_workers": 2, "multiprocessing_context": "fork"} | options
    return DataLoader(dataset, batch_size, **options)


def assert_nobody_is_left() -> None:
    gc.collect()  # an exception that a test before caught keeps its frames, and a loader in them
    assert not multiprocessing.active_children()


# What they give


@pytest.mark.parametrize("method", METHODS)
def test_workers_give_what_this_process_would(method: str) -> None:
    ours, theirs = ([*loader(Squares(), **o)] for o in _both(multiprocessing_context=method))
    assert plain(ours) == plain(theirs)
    assert_nobody_is_left()


def _both(**options: Any) -> list[dict[str, Any]]:
    return [{"num_workers": 0, "multiprocessing_context": None}, options]


def test_a_shuffled_order_is_the_same_with_and_without_workers() -> None:
    found = []
    for options in _both():
        dtrain.manual_seed(0)
        found.append(labels(loader(Squares(), shuffle=True, **options)))
    assert found[0] == found[1]


def test_batches_larger_than_a_pipe_come_through() -> None:
    assert labels(loader(Large(9), 2)) == [[0, 1], [2, 3], [4, 5], [6, 7], [8]]


def test_rows_of_tensors_come_through_and_can_be_written_to() -> None:
    for x, _ in loader(TensorDataset(np.zeros((8, 1000)), np.arange(8))):
        x._array[...] = 1


@pytest.mark.parametrize("prefetch_factor", [1, 5])
def test_how_far_they_read_ahead_makes_no_difference(prefetch_factor: int) -> None:
    assert labels(loader(Squares(9), 2, prefetch_factor=prefetch_factor)) == labels(
        loader(Squares(9), 2)
    )


def test_out_of_order_every_batch_comes_once() -> None:
    assert sorted(labels(loader(Squares(), 2, in_order=False))) == labels(loader(Squares(), 2))


def test_samples_one_by_one() -> None:
    assert labels(loader(Squares(5), None)) == [0, 1, 2, 3, 4]


def test_a_collate_function_can_drop_what_is_missing() -> None:
    data: Any = [0, None, 2, 3, None, 5]
    assert plain([*loader(data, 3, collate_fn=drop_missing)]) == [[0, 2], [3, 5]]


def test_a_function_without_a_name_will_do_where_nothing_is_pickled() -> None:
    assert plain([*loader(Squares(2), 2, collate_fn=lambda samples: len(samples))]) == [2]


def test_each_worker_gives_its_part_of_an_iterable() -> None:
    assert plain([*loader(Counting(9), 2)]) == [[0, 2], [1, 3], [4, 6], [5, 7], [8]]


def test_parts_of_unequal_length_all_come() -> None:
    assert sorted(plain([*loader(Counting(3), 1)])) == [[0], [1], [2]]


def test_an_iterable_that_every_worker_reads_whole_is_warned_of() -> None:
    pairs = loader(Counting(3, alike=True), None)
    assert len(pairs) == 3
    with pytest.warns(UserWarning, match=r"get_worker_info\(\)") as warned:
        assert sorted(pairs) == [0, 0, 1, 1, 2, 2]
    assert len(warned) == 3


# What they know and draw


def test_a_worker_knows_who_it_is() -> None:
    dtrain.manual_seed(0)
    found = plain([*loader(Info(4), None)])
    assert [sample[:2] for sample in found] == [[0, 2], [1, 2], [0, 2], [1, 2]]
    assert [sample[2] - found[0][2] for sample in found] == [0, 1, 0, 1]


def test_workers_draw_different_numbers_and_the_same_for_the_same_seed() -> None:
    found = []
    for _ in range(2):
        dtrain.manual_seed(0)
        found.append(plain([*loader(Draws(4), None)]))
    assert found[0] == found[1]
    assert all(len({sample[i] for sample in found[0]}) == 4 for i in range(3))


def test_a_worker_is_initialised_before_it_reads() -> None:
    found = plain([*loader(Info(4), None, worker_init_fn=shift)])
    assert [sample[3] for sample in found] == [4, 104, 4, 104]


def test_the_main_process_keeps_its_own_generators() -> None:
    dtrain.manual_seed(0)
    list(loader(Squares(), num_workers=0, multiprocessing_context=None))
    expected = dtrain.rand(1).item()
    dtrain.manual_seed(0)
    list(loader(Squares()))
    assert dtrain.rand(1).item() == expected


# What goes wrong


def test_an_error_has_its_class_and_the_workers_traceback() -> None:
    with pytest.raises(KeyError) as raised:
        list(loader(Odd("key")))
    text = str(raised.value)
    assert text.startswith("Caught KeyError in DataLoader worker process 1.\nOriginal Traceback")
    assert 'File "' in text
    assert "sample 7 of Odd" in text


@pytest.mark.parametrize(
    ("what", "text"), [("two", "TwoArguments"), ("local", "of a class that has no place")]
)
def test_a_class_that_cannot_be_made_here_becomes_a_runtime_error(what: str, text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        list(loader(Odd(what)))


def test_a_batch_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises((AttributeError, TypeError), match="in DataLoader worker process"):
        list(loader(Odd("unpicklable"), None))


def test_after_an_error_the_next_batches_still_come() -> None:
    batches = iter(loader(Odd("key"), 4))
    found: list[Any] = []
    for _ in range(5):
        try:
            found.append(plain(next(batches)[1]))
        except KeyError:
            found.append("error")
    assert found == [[0, 1, 2, 3], "error", [8, 9, 10, 11], [12, 13, 14, 15], [16, 17, 18, 19]]


def test_an_error_in_the_init_function_comes_with_the_first_batch() -> None:
    with pytest.raises(LookupError, match="no licence for 0"):
        list(loader(Squares(), worker_init_fn=fail))


def test_a_failure_keeps_the_class_where_it_can() -> None:
    assert isinstance(Failure.of(OSError(2, "no such thing"), 3).exception(), OSError)
    assert type(Failure.of(TwoArguments("a", "b"), 3).exception()) is RuntimeError


@pytest.mark.parametrize(
    ("what", "how"),
    [("kill", "killed by signal 9"), ("exit", "exit code 3"), ("sys.exit", "exit code 4")],
)
def test_a_worker_that_dies_is_noticed_at_once(what: str, how: str) -> None:
    with pytest.raises(RuntimeError, match=rf"\(pid\(s\) \d+\) exited unexpectedly.*{how}"):
        list(loader(Odd(what)))
    assert_nobody_is_left()


def test_a_worker_that_is_killed_while_the_others_are_waited_for_is_noticed() -> None:
    batches: Any = iter(loader(Squares(2000), 1))
    next(batches)
    os.kill(batches._crew.pids[1], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(batches)


@pytest.mark.slow
def test_a_batch_that_takes_too_long_is_an_error_and_its_worker_is_ended() -> None:
    with pytest.raises(RuntimeError, match=r"timed out after 0\.2 seconds"):
        list(loader(Odd("hang"), timeout=0.2))
    assert_nobody_is_left()


def test_an_unpicklable_function_fails_where_workers_are_spawned_and_says_what_to_do() -> None:
    with pytest.raises((AttributeError, TypeError)) as raised:
        list(loader(Squares(), multiprocessing_context="spawn", collate_fn=lambda samples: 0))
    assert "multiprocessing_context='fork'" in raised.value.__notes__[0]
    assert_nobody_is_left()


# How they begin and end


def test_workers_end_with_the_last_batch() -> None:
    list(loader(Squares()))
    assert_nobody_is_left()


def test_workers_end_when_nobody_wants_their_batches() -> None:
    batches = iter(loader(Large(50), 1))
    next(batches)
    del batches
    assert_nobody_is_left()


def test_an_iterator_that_has_ended_stays_so() -> None:
    batches = iter(loader(Squares(4)))
    assert len([*batches]) == 1
    assert [*batches] == []


def test_no_file_stays_open() -> None:
    list(loader(Squares()))
    before = len(os.listdir("/dev/fd"))
    list(loader(Squares()))
    assert len(os.listdir("/dev/fd")) == before


def test_persistent_workers_are_the_same_in_each_pass() -> None:
    squares = loader(Squares(), persistent_workers=True)
    first: Any = iter(squares)
    pids = first._crew.pids
    expected = labels(first)
    second: Any = iter(squares)
    assert (second._crew.pids, labels(second)) == (pids, expected)
    del squares, first, second
    assert_nobody_is_left()


def test_persistent_workers_begin_anew_whatever_they_were_doing() -> None:
    squares = loader(Squares(), 2, persistent_workers=True)
    for batches_read in (1, 3):
        batches = iter(squares)
        for _ in range(batches_read):
            next(batches)
    assert labels(squares) == labels(loader(Squares(), 2))


def test_persistent_workers_read_an_iterable_again() -> None:
    counting = loader(Counting(9), 2, persistent_workers=True)
    assert plain([*counting]) == plain([*counting]) == plain([*loader(Counting(9), 2)])


def test_persistent_workers_that_died_are_replaced_in_the_next_pass() -> None:
    squares = loader(Squares(), persistent_workers=True)
    batches: Any = iter(squares)
    os.kill(batches._crew.pids[0], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(batches)
    assert len(labels(squares)) == 5


def test_persistent_workers_that_died_between_passes_are_an_error_once() -> None:
    squares: Any = loader(Squares(), persistent_workers=True)
    list(squares)
    [process, *_] = [hand.process for hand in squares._pass._crew._hands]
    process.kill()
    process.join()
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(squares)
    assert len(labels(squares)) == 5


def test_two_loaders_at_once_do_not_hold_each_others_pipes() -> None:
    first, second = iter(loader(Squares())), iter(loader(Squares()))
    assert [plain(b) for b in first] == [plain(b) for b in second]
    assert_nobody_is_left()


# Scripts of their own. Their workers hold their standard output too: it ends with the last of them.

SCRIPT = """
import os, signal, sys
from tests.data.loading import Squares
from dtrain.data import DataLoader

def main():
    batches = iter(DataLoader(Squares(10**6), 2, num_workers=2, multiprocessing_context="fork"))
    for _ in range(5):
        next(batches)
    {body}

if __name__ == "__main__":
    main()
"""


def run(body: str, act: Callable[[subprocess.Popen[str]], None]) -> tuple[int, str, str]:
    """Run a script until it writes a line, act, and wait until all that it started has ended."""
    code = textwrap.dedent(SCRIPT).format(body=body)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        act(process)
        out, error = process.communicate(timeout=30)
    return process.returncode, out, error


WAIT = "print('ready', flush=True); sys.stdin.read()"


def test_workers_end_with_the_interpreter_in_the_middle_of_a_pass() -> None:
    code, _, error = run("print('ready', flush=True)", lambda process: None)
    assert (code, error) == (0, "")


def test_workers_end_by_themselves_when_the_main_process_is_killed() -> None:
    code, _, error = run(WAIT, lambda process: process.kill())
    assert (code, error) == (-signal.SIGKILL, "")


def test_ctrl_c_ends_all_of_them_with_one_traceback() -> None:
    code, _, error = run(WAIT, lambda process: os.killpg(process.pid, signal.SIGINT))
    assert code == -signal.SIGINT
    assert error.count("Traceback") == 1
    assert error.splitlines()[-1] == "KeyboardInterrupt"
