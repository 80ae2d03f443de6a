"""The coordinator's decisions, one claim each, without sockets or clocks."""

from coordinator.events import (
    Apply,
    Commit,
    Finish,
    Garbled,
    Heard,
    Note,
    Save,
    StopAsked,
    Tick,
    Unreachable,
    Written,
)
from coordinator.words import sentence
from dtrain.wire.messages import (
    Answer,
    Ask,
    Beat,
    Credit,
    Died,
    Envelope,
    Failed,
    Lease,
    Partial,
    Refused,
    Release,
    Stop,
    Weights,
    Welcome,
)
from tests.coordinator.bench import Bench, did, said
from tests.world import Text


def test_a_first_worker_gets_the_weights_and_all_leaves() -> None:
    actions = Bench(chunks=3).join("a")
    assert [(w.version, w.chunk) for w in said(actions, Weights)] == [(0, 0), (0, 1), (0, 2)]
    assert [(g.lo, g.hi, g.version) for g in said(actions, Lease)] == [(0, 2, 0)]


def test_who_died_after_chunk_40_was_stepped_is_replaced_and_no_chunk_steps_twice() -> None:
    bench = Bench(chunks=50, leaves=1)
    bench.join("a")
    for part in range(41):
        [apply] = did(bench.sums("a", 0, part), Apply)
        bench(Written(0, (apply.part,)))
    bench.join("b")
    launcher = bench.hello("l", role="launcher")
    assert said(launcher, Welcome)
    actions = bench.hear("l", Died("h", 1, "killed"))
    assert [(g.lo, g.hi, g.version) for g in said(actions, Lease)] == [(0, 1, 0)]
    again = [bench.sums("b", 0, part) for part in range(41)]
    assert all(did(actions, Apply) == [] for actions in again)
    assert all(len(said(actions, Release)) == 1 for actions in again)
    for part in range(41, 51):
        [apply] = did(bench.sums("b", 0, part), Apply)
        bench(Written(0, (apply.part,)))
    applied = [action.part for action in did(bench.done, Apply)]
    assert applied == list(range(51))
    assert [c.step for c in did(bench.done, Commit)] == [0]


def test_a_chunk_of_the_next_weights_leaves_as_soon_as_it_is_written() -> None:
    bench = Bench(chunks=2, leaves=1)
    bench.join("a")
    bench.sums("a", 0, 0)
    assert [(w.version, w.chunk) for w in said(bench(Written(0, (0,))), Weights)] == [(1, 0)]


def test_no_more_chunks_are_on_their_way_than_credit_allows() -> None:
    bench = Bench(chunks=5)
    first = bench.join("a", credit=2)
    assert [w.chunk for w in said(first, Weights)] == [0, 1]
    assert [w.chunk for w in said(bench.hear("a", Credit(0, 0)), Weights)] == [2]


def test_who_joins_in_the_middle_of_a_step_gets_the_committed_and_the_written_chunks() -> None:
    bench = Bench(chunks=2, leaves=1)
    bench.join("a")
    bench.sums("a", 0, 0)
    bench(Written(0, (0,)))
    joined = said(bench.join("b"), Weights)
    assert [(w.version, w.chunk) for w in joined] == [(0, 0), (0, 1), (1, 0)]


def test_a_partial_of_an_old_step_is_released_and_changes_nothing() -> None:
    bench = Bench(leaves=1)
    bench.join("a")
    actions = bench.sums("a", 0, 0, step=7)
    assert len(said(actions, Release)) == 1
    assert did(actions, Apply) == []


def test_messages_of_another_session_change_nothing() -> None:
    bench = Bench(leaves=1)
    bench.join("a")
    bench.sessions["a+"] = 99
    assert bench.sums("a", 0, 0) == []


def test_a_lease_that_ran_out_is_given_to_another_and_the_late_answer_counts_once() -> None:
    bench = Bench(leaves=1)
    bench.join("a")
    bench.hear("a", Credit(0, 0))
    bench.join("b")
    for who in "ab":
        bench.hear(who, Beat(1))
    overdue = bench(Tick(), now=2.5)
    assert {(g.lo, g.hi) for g in said(overdue, Lease)} == {(0, 1)}
    first = did(bench.sums("a", 0, 0), Apply)
    second = did(bench.sums("b", 0, 0), Apply)
    assert (len(first), len(second)) == (1, 0)


def test_a_silent_worker_is_lost_and_its_leaves_go_to_another() -> None:
    bench = Bench(leaves=2)
    bench.join("a")
    bench.now = 2.0
    bench.join("b")
    actions = bench(Tick(), now=3.0)
    assert [note.event for note in did(actions, Note)] == ["lost"]
    assert [(g.lo, g.hi) for g in said(actions, Lease)] == [(0, 2)]


def test_a_leaf_that_fails_on_two_workers_ends_the_run_with_their_traceback() -> None:
    bench = Bench(leaves=1)
    bench.join("a")
    bench.join("b")
    bench.hear("a", Failed("train", 1, 0, "Traceback a"))
    [lease] = said(bench.done, Lease)[1:]
    [end] = did(bench.hear("b", Failed("train", lease.lease, 0, "Traceback b")), Finish)
    assert (end.code, end.trace) == (1, "Traceback b")
    assert "step 0, leaf 0" in end.reason


def test_a_repeated_report_of_one_failure_counts_once() -> None:
    bench = Bench(leaves=1)
    bench.join("a")
    bench.join("b")
    bench.hear("a", Failed("train", 1, 0, "trace"))
    assert did(bench.hear("a", Failed("train", 1, 0, "trace")), Finish) == []


def test_a_worker_that_fails_where_another_succeeds_is_dropped() -> None:
    bench = Bench(leaves=1)
    bench.join("a")
    bench.join("b")
    bench.hear("a", Failed("train", 1, 0, "trace"))
    for part in range(2):
        bench.sums("b", 0, part)
    actions = bench(Written(0, (0, 1)))
    assert [refused.code for refused in said(actions, Refused)] == ["failed"]


def test_another_protocol_version_is_refused_with_both_numbers() -> None:
    [refused] = said(Bench().hello("a", protocol=77), Refused)
    assert refused.code == "protocol"
    assert "77" in refused.reason


def test_a_job_that_differs_is_refused_with_the_files() -> None:
    [refused] = said(Bench().hello("a", sources={"job.py": "aa", "helper.py": "bb"}), Refused)
    assert (refused.code, "helper.py" in refused.reason) == ("job", True)


def test_other_arithmetic_is_refused() -> None:
    [refused] = said(Bench().join("a", fingerprint={"kernel": "y"}), Refused)
    assert refused.code == "fingerprint"


def test_another_probe_names_the_first_parameter_that_differs() -> None:
    [refused] = said(Bench().join("a", probe="Q", parameters={"w": "2"}), Refused)
    assert (refused.code, "gradient of w" in refused.reason) == ("probe", True)


def test_a_partial_of_a_node_that_does_not_exist_drops_its_sender_not_the_run() -> None:
    bench = Bench(leaves=2)
    bench.join("a")
    actions = bench.sums("a", 5, 0)
    assert [refused.code for refused in said(actions, Refused)] == ["protocol"]
    assert not bench.core.finished


def test_an_unknown_session_is_told_to_dial_again() -> None:
    bench = Bench()
    bench.sessions["x"] = 5
    [refused] = said(bench.hear("x", Beat()), Refused)
    assert refused.code == "session"


def test_a_higher_term_ends_this_coordinator() -> None:
    bench = Bench()
    [end] = did(bench(Heard(b"a", Envelope("run", 2), Beat())), Finish)
    assert (end.code, "term 2" in end.reason) == (1, True)


def test_without_a_worker_it_says_that_it_waits() -> None:
    bench = Bench()
    [note] = did(bench(Tick(), now=2.0), Note)
    assert note.event == "waiting"
    assert note.fields["waits_for"] == "a worker: none preparing"


def test_stop_ends_the_run_and_tells_everybody() -> None:
    bench = Bench()
    bench.join("a")
    actions = bench(StopAsked("SIGINT", 130))
    assert [stop.code for stop in said(actions, Stop)] == [130]
    assert [end.code for end in did(actions, Finish)] == [130]
    assert bench.core.wake_at() is None


def test_a_limit_ends_the_run_after_the_step_under_way() -> None:
    bench = Bench(leaves=1)
    bench.join("a")
    assert did(bench(StopAsked("max_seconds", 0)), Finish) == []
    for part in range(2):
        bench.sums("a", 0, part)
    actions = bench(Written(0, (0, 1)))
    assert [c.step for c in did(actions, Commit)] == [0]
    assert [end.reason for end in did(actions, Finish)] == ["max_seconds"]


def test_a_limit_does_not_wait_for_workers_that_are_not_there() -> None:
    [end] = did(Bench()(StopAsked("max_seconds", 0)), Finish)
    assert end.code == 0


def test_a_worker_that_cannot_prepare_is_noted_and_the_run_goes_on() -> None:
    bench = Bench()
    bench.hello("a")
    actions = bench.hear("a", Failed("train", 0, -1, "no such file"))
    notes = did(actions, Note)
    assert [note.event for note in notes] == ["failed", "lost"]
    assert sentence("failed", notes[0].fields) == "a@h failed in preparing the job"
    assert not bench.core.finished


def test_an_unknown_role_is_refused() -> None:
    [refused] = said(Bench().hello("a", role="anything", sources={}), Refused)
    assert refused.code == "protocol"


def test_only_a_launcher_may_say_that_a_process_died() -> None:
    bench = Bench()
    bench.join("a")
    bench.join("b")
    actions = bench.hear("b", Died("h", 1, "killed"))
    assert [note.event for note in did(actions, Note)] == ["refused", "lost"]
    assert did(actions, Note)[1].fields["worker"] == "b@h"


def test_a_flood_of_garbage_is_noted_less_and_less_often() -> None:
    bench = Bench()
    notes = [did(bench(Garbled(b"x", "nonsense")), Note) for _ in range(1000)]
    assert sum(map(len, notes)) == 10


def test_a_worker_is_not_lost_within_a_leaf_and_a_half() -> None:
    bench = Bench()
    bench.join("a", leaf_s=10.0)
    assert did(bench(Tick(), now=14.9), Note) == []
    assert [note.event for note in did(bench(Tick(), now=15.0), Note)] == ["lost"]


def test_status_says_who_holds_what() -> None:
    bench = Bench(leaves=2)
    bench.join("a")
    [answer] = said(bench.hear("tool", Ask("status")), Answer)
    assert answer.status["waits_for"] == "2 of 2 leaves of train step 0: a@h [0, 2)"
    assert [worker["lease"] for worker in answer.status["workers"]] == ["[0, 2)"]


# ------------------------------------------------------------------------- stopping, saving


def test_a_signal_waits_for_a_step_that_the_optimizer_has_begun_with() -> None:
    bench = Bench(chunks=1, leaves=1)
    bench.join("a")
    [apply] = did(bench.sums("a", 0, 0), Apply)
    assert did(bench(StopAsked("SIGINT", 130)), Finish) == []
    bench(Written(0, (apply.part,)))
    [tail] = did(bench.sums("a", 0, 1), Apply)
    ended = bench(Written(0, (tail.part,)))
    assert len(did(ended, Commit)) == 1
    assert [finish.code for finish in did(ended, Finish)] == [130]


def test_and_not_for_long() -> None:
    bench = Bench(chunks=1, leaves=1)
    bench.join("a")
    bench.sums("a", 0, 0)
    bench(StopAsked("SIGINT", 130))
    wake = bench.core.wake_at()
    assert wake is not None
    bench.now = 4.9
    bench.hear("a", Beat(1))
    assert did(bench(Tick(), now=5.0), Finish) == [Finish("SIGINT", 130)]


def test_an_error_waits_for_nothing() -> None:
    bench = Bench(chunks=1, leaves=1)
    bench.join("a")
    bench.sums("a", 0, 0)
    assert did(bench(StopAsked("disk full", 1)), Finish) == [Finish("disk full", 1)]


def test_a_limit_that_is_reached_ends_the_run_without_another_step() -> None:
    bench = Bench()
    bench.join("a")
    assert did(bench(StopAsked("enough", 0, at_once=True)), Finish) == [Finish("enough", 0)]


def test_who_asks_for_a_checkpoint_is_answered_and_one_is_saved() -> None:
    bench = Bench()
    actions = bench.hear("somebody", Ask("checkpoint"))
    assert len(did(actions, Save)) == 1
    assert len(said(actions, Answer)) == 1


def test_other_arithmetic_is_noted_where_it_is_allowed() -> None:
    bench = Bench(allow_drift=True)
    actions = bench.join("a", fingerprint={"kernel": "y"}, probe="Q")
    assert [note.event for note in did(actions, Note)] == ["drift", "join"]
    assert said(actions, Lease)


def test_another_probe_under_the_same_arithmetic_is_refused_all_the_same() -> None:
    actions = Bench(allow_drift=True).join("a", probe="Q")
    assert [refused.code for refused in said(actions, Refused)] == ["probe"]


def test_a_connection_that_was_given_up_before_it_joined_is_no_loss() -> None:
    bench = Bench()
    bench.hello("a")
    assert did(bench(Unreachable(b"a")), Note) == []
    bench.join("b")
    assert [note.event for note in did(bench(Unreachable(b"b")), Note)] == ["lost"]


def test_a_limit_waits_for_the_evaluation_that_is_due() -> None:
    bench = Bench(chunks=1, leaves=1, eval_samples=1, eval_batch_size=1, eval_every=1)
    bench.join("a")
    for part in (0, 1):
        [apply] = did(bench.sums("a", 0, part), Apply)
        if part == 1:
            bench(StopAsked("max_seconds", 0))
        done = bench(Written(0, (apply.part,)))
    assert did(done, Finish) == []
    evaluated = bench.hear("a+", Partial("eval", 0, 0, 0, lease=0), 0, Text("0"))
    assert [finish.reason for finish in did(evaluated, Finish)] == ["max_seconds"]
