"""docs/run-directory.md says that PyTorch reads final.safetensors; it does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dtrain
from dtrain.data import datasets
from tests.repo.modules import ROOT

torch = pytest.importorskip("torch", reason="PyTorch is the reader here")


def test_pytorch_reads_the_final_weights_and_computes_with_them_as_dtrain_does(
    tmp_path: Path,
) -> None:
    from safetensors.torch import load_file

    run = [sys.executable, "-m", "dtrain", "run", "examples/digits.py", "--workers", "0"]
    run += ["--set", "epochs=1", "--run-dir", str(tmp_path / "run")]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True)
    theirs = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    theirs.load_state_dict(load_file(tmp_path / "run/final.safetensors"))
    digits = datasets.Digits(train=False)
    images = np.stack([np.asarray(digits[i][0]) for i in range(32)])
    ours = dtrain.load(tmp_path / "run")(dtrain.tensor(images)).detach().numpy()
    np.testing.assert_allclose(theirs(torch.from_numpy(images)).detach().numpy(), ours, atol=1e-6)
