"""The example that takes a step apart."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dtrain.stepper import Stepper
from dtrain.tree import root
from examples.digits import Digits

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    command = [sys.executable, str(ROOT / "examples" / "one_step.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_example_prints_every_node_of_the_tree_once(lines: list[str]) -> None:
    rows = [line.split() for line in lines if line.lstrip().startswith(("leaf ", "leaves "))]
    stepper = Stepper(Digits())
    assert len(rows) == 2 * stepper.leaves - 1
    assert root(stepper.leaves).level == 3


def test_the_examples_digest_is_that_of_one_step_of_the_job(lines: list[str]) -> None:
    stepper = Stepper(Digits())
    stepper.apply()
    assert lines[-1] == f"digest {stepper.digest()}"
