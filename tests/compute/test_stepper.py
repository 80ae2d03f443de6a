"""A step taken apart."""

import numpy as np
import pytest

from dtrain.stepper import Stepper
from dtrain.tree import fold, root
from tests.compute.jobs import Branching, Classify, trained


def test_adding_leaves_by_hand_gives_the_root() -> None:
    stepper = Stepper(Classify(batch_size=15, micro_batches=5))
    a, b, c, d, e = (stepper.leaf(k) for k in range(stepper.leaves))
    by_hand, total = ((a + b) + (c + d)) + e, stepper.root()
    assert by_hand.name == total.name == "(((0+1)+(2+3))+4)"
    assert by_hand.norm == total.norm
    assert by_hand.loss_sum == total.loss_sum


def test_adding_keeps_both_operands() -> None:
    stepper = Stepper(Classify())
    a, b = stepper.leaf(0), stepper.leaf(1)
    before = a.norm, b.norm
    total = a + b
    assert (a.norm, b.norm) == before
    assert total.weight == a.weight + b.weight


def test_applying_roots_by_hand_is_training() -> None:
    stepper = Stepper(Classify())
    for step in range(3):
        assert stepper.step == step
        stepper.apply(fold(root(stepper.leaves), stepper.leaves, stepper.leaf))
    assert stepper.digest() == trained(Classify(), steps=3)[0].digest()


def test_a_root_can_still_be_looked_at_after_it_was_applied() -> None:
    stepper = Stepper(Classify())
    total = stepper.root()
    before = total.norm
    outcome = stepper.apply(total)
    assert total.norm == before
    assert outcome.loss == total.means["loss"] == total.loss_sum / total.weight


def test_gradients_are_those_that_were_reached_in_their_shapes() -> None:
    stepper = Stepper(Branching())
    stepper.apply()
    found = {name: g.shape for name, g in stepper.leaf(0).gradients.items()}
    assert found == {"always.weight": (4, 6), "always.bias": (4,)}


def test_the_norm_is_that_of_all_gradients_together() -> None:
    leaf = Stepper(Classify()).leaf(0)
    every = np.concatenate([g.ravel() for g in leaf.gradients.values()])
    assert leaf.norm == pytest.approx(np.linalg.norm(every), rel=1e-14)
