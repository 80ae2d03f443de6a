"""`make demo` keeps its word."""

import re
import subprocess
import sys

import pytest

from tests.repo.modules import ROOT


@pytest.mark.slow
def test_the_demo_shows_three_equal_digests_and_says_identical() -> None:
    demo = subprocess.run(
        [sys.executable, "scripts/demo.py"], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    *_, one, two, three, verdict = demo.stdout.splitlines()
    assert len({re.findall(r"\b[0-9a-f]{64}\b", line)[0] for line in (one, two, three)}) == 1
    assert verdict == "identical"
    assert "kill -9" in demo.stdout
