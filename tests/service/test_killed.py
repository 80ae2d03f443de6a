"""kill -9 at any instant, also inside the writing of a checkpoint: the run stays loadable."""

import json
import random
import subprocess
import sys
from pathlib import Path

from dtrain.rundir import RunDir
from tests.service import killed
from tests.service.processes import ROOT, environment

KILLS = 100


def test_a_run_that_is_killed_a_hundred_times_ends_with_the_same_digest(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.service.killed",
            str(tmp_path / "run"),
            str(KILLS),
            str(seed),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    killed.live(tmp_path / "whole", said["steps"])
    whole = RunDir(tmp_path / "whole").read_run()["result"]
    assert said["damaged"] == 0
    assert said["digest"] == whole["digest"]
    assert said["inside"] > KILLS // 10, "too few were killed while they wrote"
