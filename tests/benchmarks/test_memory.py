"""Memory: what a graph holds is freed while backward walks it."""

import numpy as np

from benchmarks.memory import MICRO_BATCHES, accumulate, tasks


def test_accumulating_over_micro_batches_needs_the_memory_of_one() -> None:
    accumulate(1)
    one, many = accumulate(1), accumulate(MICRO_BATCHES)
    assert many <= 1.10 * one, f"{many} bytes for {MICRO_BATCHES}, {one} for one"


def test_a_backward_for_each_task_holds_less_than_one_graph_and_gives_its_gradients() -> None:
    (together, a), (apart, b) = tasks(one_graph=True), tasks(one_graph=False)
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert apart < 0.5 * together, f"{apart} bytes apart, {together} together"
