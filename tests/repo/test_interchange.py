"""docs/run-directory.md says that PyTorch reads final.safetensors, and that its weights can be the
start; so it is."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dtrain
from dtrain.data import datasets
from dtrain.rundir import RunDir
from examples.digits import Digits
from tests.repo.modules import ROOT
from tests.service.processes import environment

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


def test_weights_of_pytorch_are_what_a_run_begins_with(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(3)
    theirs = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    run = [sys.executable, "-m", "dtrain", "run", "examples/digits.py", "--workers", "1"]
    run += ["--init", str(tmp_path / "theirs.safetensors"), "--stop-after", "1"]
    run += ["--run-dir", str(tmp_path / "run")]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True, env=environment())
    job = Digits()
    digits = job.train_data()
    chosen = job.order(len(digits), 0)[: job.batch_size]
    images, labels = (np.stack([np.asarray(digits[int(i)][k]) for i in chosen]) for k in (0, 1))
    scores = theirs(torch.from_numpy(images))
    expected = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).item()
    [line] = [line for line in RunDir(tmp_path / "run").metrics() if "lr" in line]
    assert line["loss"] == pytest.approx(expected, rel=1e-6)


def test_pytorch_reads_a_checkpoints_weights_too(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    result = dtrain.train(Digits(epochs=1), quiet=True, run_dir=tmp_path / "run")
    [newest, *_] = sorted((result.run_dir / "checkpoints").glob("step-*"), reverse=True)
    loaded = load_file(newest)
    weights = {k.removeprefix("model."): v for k, v in loaded.items() if k.startswith("model.")}
    theirs = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    theirs.load_state_dict(weights)
