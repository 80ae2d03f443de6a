"""Scripts on tensors and graphs return what they returned with PyTorch."""

import json
from pathlib import Path

import pytest

import dtrain
from tests.autograd.scenarios import SCENARIOS

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_script_returns_what_pytorch_returned(name: str) -> None:
    assert json.loads(json.dumps(SCENARIOS[name](dtrain))) == REFERENCE[name]
