"""A name that is missing is an AttributeError that says where to read on."""

import copy
import pickle
from importlib import import_module

import pytest

import dtrain
from dtrain import nn

ABSENT = {
    "nn": "CTCLoss",
    "nn.functional": "ctc_loss",
    "optim": "LBFGS",
    "linalg": "svd",
    "utils": "tensorboard",
    "utils.data": "datapipes",
    "autograd": "forward_ad",
}


@pytest.mark.parametrize("module", ABSENT)
def test_a_module_explains_what_is_missing(module: str) -> None:
    found, name = import_module(f"dtrain.{module}"), ABSENT[module]
    with pytest.raises(AttributeError, match=f"dtrain.{module} has no '{name}': see docs/pytorch"):
        getattr(found, name)
    assert not hasattr(found, name)


@pytest.mark.parametrize("value", [dtrain.ones(2), nn.Parameter(dtrain.ones(2))])
def test_a_tensor_explains_what_is_missing(value: dtrain.Tensor) -> None:
    with pytest.raises(AttributeError, match="has no 'logdet': see docs/pytorch"):
        value.logdet()
    assert not hasattr(value, "logdet")
    assert copy.deepcopy(value).tolist() == pickle.loads(pickle.dumps(value)).tolist() == [1, 1]


def test_an_error_within_a_property_stays_what_it_is() -> None:
    class Strange(dtrain.Tensor):
        @property
        def colour(self) -> str:
            raise AttributeError("no paint")

    with pytest.raises(AttributeError, match="no paint"):
        _ = Strange(2).colour


def test_a_module_is_not_shared_between_processes() -> None:
    with pytest.raises(RuntimeError, match="dtrain run --workers"):
        nn.Linear(1, 1).share_memory()
