"""Is a leaf a pure function?"""

from typing import Any

import numpy as np
import pytest

from dtrain.autograd import Tensor
from dtrain.errors import ImpureError
from dtrain.leaf import LeafComputer
from dtrain.nn import Module
from dtrain.nn import functional as F
from dtrain.probe import probe
from tests.compute.jobs import Branching, Classify


def test_equal_jobs_have_equal_probes() -> None:
    assert probe(LeafComputer(Classify())).hash == probe(LeafComputer(Classify())).hash


def test_another_seed_has_another_probe() -> None:
    assert probe(LeafComputer(Classify(seed=1))).hash != probe(LeafComputer(Classify())).hash


def test_every_trained_parameter_has_a_hash_and_so_has_the_loss() -> None:
    found = probe(LeafComputer(Branching()))
    names = [
        "loss",
        "empty",
        *(f"{m}.{n}" for m in ("always", "seldom") for n in ("weight", "bias")),
    ]
    assert sorted(found.per_parameter) == sorted(names)
    assert found.seconds_per_leaf > 0


def test_the_probe_does_not_depend_on_the_size_of_chunks() -> None:
    small = probe(LeafComputer(Classify(chunk_elements=16)))
    assert small.hash == probe(LeafComputer(Classify())).hash


class Forgetful:
    """A dataset that gives something new each time it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> Any:
        self.calls += 1
        return np.full(6, float(self.calls)), index % 2


def test_an_impure_getitem_is_found_and_the_first_parameter_named() -> None:
    job = type("Impure", (Classify,), {"train_data": lambda self: Forgetful()})
    with pytest.raises(ImpureError, match=r"the gradient of 0\.weight differed"):
        probe(LeafComputer(job()))


def test_an_impure_loss_value_is_found_where_gradients_agree() -> None:
    class Drifting(Classify):
        def loss(self, model: Module, batch: Any) -> Tensor:
            self.drift = getattr(self, "drift", 0.0) + 1.0
            return F.cross_entropy(model(batch[0]), batch[1]) + self.drift

    with pytest.raises(ImpureError, match="the loss, or what is logged, differed"):
        probe(LeafComputer(Drifting()))


@pytest.mark.parametrize("settings", [{"micro_batches": 1}, {"micro_batches": 1, "max_steps": 1}])
def test_a_run_of_one_leaf_can_be_probed(settings: dict[str, Any]) -> None:
    assert len(probe(LeafComputer(Classify(batch_size=64, epochs=2, **settings))).hash) == 32
