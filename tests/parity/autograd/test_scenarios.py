"""The stored answers of the scenarios are those that PyTorch gives now."""

import json

import pytest

from tests.autograd.scenarios import SCENARIOS
from tests.autograd.test_scenarios import REFERENCE

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_stored_answer_is_pytorchs(name: str) -> None:
    assert json.loads(json.dumps(SCENARIOS[name](torch))) == REFERENCE[name]
