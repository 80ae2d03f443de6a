"""What a leaf sets on the modules of a model ends with it."""

from typing import Any

import pytest

from dtrain.autograd import Tensor
from dtrain.errors import LeafError
from dtrain.leaf import LeafComputer
from dtrain.nn import Linear, Module
from dtrain.nn import functional as F
from dtrain.nn.kept import Kept
from tests.compute.jobs import CLASSES, Classify
from tests.compute.test_leaf import bits


class Cooling(Module):
    """A temperature that falls with each forward."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Linear(6, CLASSES)
        self.temperature, self.calls = 2.0, 0

    def forward(self, x: Tensor) -> Tensor:
        self.temperature *= 0.9
        self.inner.calls = self.calls = self.calls + 1
        return self.inner(x) / self.temperature


class Cools(Classify):
    def model(self) -> Module:
        return Cooling()


def test_a_leaf_finds_plain_attributes_as_model_made_them_whoever_computed_before() -> None:
    computer = LeafComputer(Cools())
    computer.train(0, 0)
    computer.evaluate(0, 0)
    assert bits(computer.train(0, 1)) == bits(LeafComputer(Cools()).train(0, 1))


def test_attributes_are_put_back_and_new_ones_taken_away() -> None:
    computer = LeafComputer(Cools())
    computer.train(0, 0)
    model: Any = computer.model
    assert (model.temperature, model.calls) == (2.0, 0)
    assert not hasattr(model.inner, "calls")


def test_they_are_put_back_even_after_an_error() -> None:
    class Fails(Cools):
        def loss(self, model: Module, batch: Any) -> Any:
            F.cross_entropy(model(batch[0]), batch[1])
            raise ValueError("of mine")

    computer = LeafComputer(Fails())
    with pytest.raises(LeafError):
        computer.train(0, 0)
    assert computer.model.calls == 0


def test_an_attribute_that_was_deleted_comes_back() -> None:
    model = Cooling()
    kept = Kept(model)
    del model.temperature
    kept.put_back()
    assert model.temperature == 2.0


def test_several_forwards_of_one_leaf_see_what_the_earlier_ones_set() -> None:
    seen = []

    class Twice(Cools):
        def loss(self, model: Any, batch: Any) -> Any:
            model(batch[0])
            result = F.cross_entropy(model(batch[0]), batch[1])
            seen.append(model.calls)
            return result

    computer = LeafComputer(Twice())
    computer.train(0, 0)
    computer.train(0, 1)
    assert seen == [2, 2]


def test_the_mode_of_a_model_is_that_of_the_last_leaf() -> None:
    computer = LeafComputer(Cools())
    computer.evaluate(0, 0)
    assert (computer.model.training, computer.model.inner.training) == (False, False)


def test_a_module_that_a_leaf_hung_its_first_hook_on_is_as_quick_as_before() -> None:
    model = Cooling()
    kept = Kept(model)
    model.inner.register_forward_hook(lambda *arguments: None)
    kept.put_back()
    assert not model.inner._hooked
