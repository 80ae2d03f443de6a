"""Any schedule of faults ends in the weights and evaluations of an undisturbed run.

The real cores of coordinator and workers, in virtual time: see tests/world.py.
"""

import os
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain.schedule import Schedule
from tests.world import Faults, World, undisturbed

EXAMPLES = 2000 if os.environ.get("CI") else 400  # the tests of a change should not take minutes
SCHEDULES = st.builds(
    Schedule,
    samples=st.integers(1, 40),
    batch_size=st.integers(4, 16),
    micro_batches=st.integers(1, 4) | st.just(8),
    epochs=st.integers(1, 3),
    max_steps=st.none() | st.integers(1, 8),
    drop_last=st.just(False),
    eval_samples=st.sampled_from([0, 7]),
    eval_batch_size=st.just(3),
    eval_every=st.none() | st.integers(1, 3),
)
FAULTS = st.builds(
    Faults,
    lose=st.sampled_from([0.0, 0.0, 0.05]),
    duplicate=st.sampled_from([0.0, 0.1]),
    reorder=st.sampled_from([0.0, 0.2]),
    delay_s=st.sampled_from([0.001, 0.05, 0.5]),
)
MOMENTS = st.floats(0, 5)


@dataclass(frozen=True)
class Life:
    """What becomes of a worker, and when."""

    joins: float
    leaf_s: float
    killed: float | None
    frozen: tuple[float, float] | None  # when, for how long
    cut: float | None
    drained: float | None


LIVES = st.builds(
    Life,
    joins=st.floats(0, 3),
    leaf_s=st.sampled_from([0.01, 0.05, 0.3]),
    killed=st.none() | MOMENTS,
    frozen=st.none() | st.tuples(MOMENTS, st.floats(0, 6)),
    cut=st.none() | MOMENTS,
    drained=st.none() | MOMENTS,
)


@settings(max_examples=EXAMPLES)
@given(SCHEDULES, FAULTS, st.lists(LIVES, max_size=5), st.lists(MOMENTS, max_size=2), st.integers())
def test_no_schedule_of_faults_shows_in_the_result(
    schedule: Schedule, faults: Faults, lives: list[Life], resumes: list[float], seed: int
) -> None:
    world = World(schedule, seed, faults)
    for life in lives:
        begin(world, life)
    for moment in resumes:
        world.resume(moment)
    world.join(6.0)  # somebody who stays: progress is possible
    world.run()
    weights, evaluations = undisturbed(schedule)
    assert world.finish is not None
    assert world.finish.code == 0
    assert world.weights[schedule.steps] == weights
    assert [world.evaluations[step] for step in sorted(world.evaluations)] == evaluations


def begin(world: World, life: Life) -> None:
    """Enter a worker's life into the world's calendar."""
    name = world.join(life.joins, life.leaf_s)
    if life.killed is not None:
        world.kill(name, life.killed)
    if life.frozen is not None:
        world.freeze(name, *life.frozen)
    if life.cut is not None:
        world.cut(name, life.cut)
    if life.drained is not None:
        world.drain(name, life.drained)
