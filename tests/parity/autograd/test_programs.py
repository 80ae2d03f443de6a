"""Random programs do on dtrain what they do on PyTorch: line by line the same values, flags and
gradients, or an error of the same class. A failure shows the program and its number.

With PROGRAMS=100000 in the environment as many are run, from another number each time;
`programs.main(number, 1)` runs one again.
"""

import os
import random

import pytest

import dtrain
from tests.parity.autograd.lockstep import Difference
from tests.parity.autograd.programs import Program

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

BATCHES = 10
PROGRAMS = int(os.environ.get("PROGRAMS", "400")) // BATCHES
FIRST = random.randrange(10**9) if "PROGRAMS" in os.environ else 0


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_random_program_does_the_same_on_both(batch: int) -> None:
    for seed in range(FIRST + batch * PROGRAMS, FIRST + (batch + 1) * PROGRAMS):
        try:
            Program(seed, torch, dtrain).run()
        except Difference as difference:
            pytest.fail(f"program {seed}:\n{difference}", pytrace=False)
