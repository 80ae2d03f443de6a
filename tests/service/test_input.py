"""The data, with real processes: who opens them, what is read ahead, what cannot be read."""

import os
import socket
from pathlib import Path

from tests.service.processes import dtrain, joins, options

JOB = """
import os, pathlib
import numpy as np
import dtrain
from dtrain import nn, optim
from dtrain.nn import functional as F

class Data(dtrain.data.Dataset):
    def __init__(self, job):
        self.job = job

    def __len__(self):
        return 64

    def __getitem__(self, index):
        if index == self.job.broken:
            raise OSError("no such file")
        x = np.sort(dtrain.rng().random(60_000))[::10_000] + 0.01 * self.job.step
        if index == self.job.drawing:
            x += np.random.random()
        self.job.log("index", index)
        return x, index % 3

class Input(dtrain.Job):
    epochs: int = 2
    batch_size: int = 32
    broken: int = -1
    drawing: int = -1

    def model(self):
        return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.2), nn.Linear(8, 3))

    def optimizer(self, model):
        return optim.SGD(model.parameters(), lr=0.1)

    def train_data(self):
        pathlib.Path(f"opened-{os.getpid()}").touch()
        return Data(self)

    def loss(self, model, batch):
        return F.cross_entropy(model(batch[0]), batch[1])
"""


def test_each_worker_opens_the_data_and_reading_ahead_does_not_show(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(JOB)
    command = ["run", "job.py", *options(drawing=9)]
    alone = dtrain(*command, "--workers", "0", cwd=tmp_path)
    many = dtrain(*command, "--workers", "2", "--run-dir", "run", cwd=tmp_path)
    assert (alone.code, many.code) == (0, 0), alone.err + many.err
    assert many.digest == alone.digest
    pids = {str(event["pid"]) for event in joins(tmp_path / "run")}
    assert pids <= {file.name.removeprefix("opened-") for file in tmp_path.glob("opened-*")}
    assert str(os.getpid()) not in pids


def test_a_sample_that_cannot_be_read_is_told_with_index_leaf_and_host(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(JOB)
    # not one that the hash of the data needs, nor the first leaf
    ended = dtrain("run", "job.py", *options(broken=40), "--workers", "2", cwd=tmp_path)
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    assert "leaf " in last
    assert last.endswith("sample 40 of Data: OSError: no such file")
    assert f"@{socket.gethostname()} failed in step " in ended.out + ended.err
