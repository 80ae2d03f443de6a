"""The jobs of examples/: each does what it is there to show."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain.data import TensorDataset
from dtrain.errors import JobError
from examples import memmap
from examples.diabetes import Diabetes
from examples.digits_custom import LOST_EVERY, DigitsCustom, Scans, Sign, scans
from examples.memmap import Memmap, Records
from tests.service.processes import ROOT
from tests.service.processes import dtrain as command

needs_data = pytest.mark.skipif(
    not os.environ.get("DTRAIN_DATA"), reason="DTRAIN_DATA names no data folder"
)


def digest_with(workers: int, example: str, *arguments: str, cwd: Path) -> str:
    """The digest of `dtrain run examples/EXAMPLE.py`."""
    file = str(ROOT / "examples" / f"{example}.py")
    ended = command("run", file, "--workers", str(workers), *arguments, cwd=cwd)
    assert ended.code == 0, ended.err
    return ended.digest


# --------------------------------------------------------------------------------------- diabetes


class Noisy(Diabetes):
    """The job of the example on made-up rows, of which leaves of an evaluation get 32, 32 and 25.

    The mean of y is far from 0 for its spread, so that R2 is a small difference of large numbers.
    """

    epochs: int = 2
    mean: float = 0.0

    def rows(self, n: int, seed: int) -> TensorDataset:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 10))
        y = x @ np.arange(10) / 10 + rng.normal(size=n) + self.mean
        return TensorDataset(x.astype("float32"), y[:, None].astype("float32"))

    def train_data(self) -> Any:
        return self.rows(120, 1)

    def eval_data(self) -> Any:
        return self.rows(89, 2)


def r2(job: Diabetes, model: Any) -> float:
    """1 - sum of squared errors / sum of squares about the mean, over the whole evaluation set."""
    x, y = job.eval_data().take(np.arange(len(job.eval_data())))
    with dtrain.no_grad():
        missed = (y - model(x)).numpy().astype(float)
    about_the_mean = y.numpy().astype(float) - y.numpy().astype(float).mean()
    return 1 - float((missed**2).sum()) / float((about_the_mean**2).sum())


@pytest.mark.parametrize("mean", [0.0, 1.5])
def test_r2_by_summary_is_r2_of_the_whole_test_set(mean: float, tmp_path: Path) -> None:
    job = Noisy(mean=mean)
    result = dtrain.train(job, run_dir=tmp_path, quiet=True)
    assert result.eval["r2"] == pytest.approx(r2(job, result.model), abs=1e-6)


def test_the_mean_of_the_leaves_r2_is_another_number(tmp_path: Path) -> None:
    class Wrong(Noisy):
        def loss(self, model: Any, batch: Any) -> Any:
            x, y = batch
            self.log("r2_mean", 1 - (y - model(x)).square().mean() / y.var(unbiased=False))
            return super().loss(model, batch)

    result = dtrain.train(Wrong(), run_dir=tmp_path, quiet=True)
    assert abs(result.eval["r2_mean"] - result.eval["r2"]) > 1e-3


@needs_data
def test_diabetes_reaches_its_r2(tmp_path: Path) -> None:
    job = Diabetes()
    result = dtrain.train(job, run_dir=tmp_path, quiet=True)
    assert result.eval["r2"] >= 0.52
    assert result.eval["r2"] == pytest.approx(r2(job, result.model), abs=1e-6)


# ---------------------------------------------------------------------------------- digits_custom


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("digits")
    for train in (True, False):
        scans(place, train)
    return place


def test_a_seventh_of_the_files_is_lost(folder: Path) -> None:
    for train, n in ((True, 1437), (False, 360)):
        data = scans(folder, train)
        lost = [i for i in range(len(data)) if data[i] is None]
        assert (len(data), lost) == (n, list(range(0, n, LOST_EVERY)))


def test_of_processes_that_write_the_same_folder_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        monkeypatch.undo()
        scans(tmp_path, train=False)  # another process is done meanwhile
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    assert len(scans(tmp_path, train=False)) == 360
    assert [path.name for path in tmp_path.iterdir()] == ["test"]


def there(data: Scans, indices: Any) -> int:
    return sum(data[int(i)] is not None for i in indices)


def test_a_leaf_weighs_what_is_there(folder: Path) -> None:
    job = DigitsCustom(folder=str(folder))
    stepper = dtrain.Stepper(job)
    order = np.asarray(job.order(1437, 0)).reshape(-1)
    for k in range(stepper.leaves):
        assert stepper.leaf(k).weight == there(job.train_data(), order[32 * k : 32 * k + 32])


def test_a_leaf_whose_files_are_all_lost_weighs_nothing(folder: Path) -> None:
    class Unlucky(DigitsCustom):
        def order(self, n: int, epoch: int) -> Any:
            return np.argsort(np.arange(n) % LOST_EVERY, kind="stable")

    stepper = dtrain.Stepper(Unlucky(folder=str(folder)))
    first = stepper.leaf(0)
    assert (first.weight, first.loss_sum, first.norm) == (0, 0, 0)
    stepper = dtrain.Stepper(Unlucky(folder=str(folder), batch_size=410, micro_batches=2))
    total = stepper.root()  # 206 files are lost: all of the first leaf's 205, and one more
    assert [stepper.leaf(k).weight for k in (0, 1)] == [0, 204]
    assert (
        total.gradients["second.bias"].tolist() == stepper.leaf(1).gradients["second.bias"].tolist()
    )


def test_gradients_go_straight_through_the_sign_near_zero() -> None:
    x = dtrain.tensor([-3.0, -1.0, -0.2, 0.0, 0.5, 1.0, 1.5], requires_grad=True)
    y = Sign.apply(x)
    y.backward(dtrain.arange(1.0, 8.0))
    assert y.tolist() == [-1, -1, -1, 1, 1, 1, 1]
    assert x.grad.tolist() == [0, 2, 3, 4, 5, 6, 0]


def test_the_hook_of_the_parameter_centres_each_units_gradient(folder: Path) -> None:
    gradient = dtrain.Stepper(DigitsCustom(folder=str(folder))).leaf(0).gradients["first.weight"]
    assert np.abs(gradient).max() > 0.1
    assert np.allclose(gradient.sum(axis=1), 0, atol=1e-4)


def test_the_hook_of_the_activation_clips_each_samples_gradient(folder: Path) -> None:
    def bias_gradient(clip: float) -> Any:
        job = DigitsCustom(folder=str(folder), batch_size=1, micro_batches=1, clip=clip)
        return dtrain.Stepper(job).leaf(0).gradients["first.bias"]

    free, clipped = bias_gradient(1e9), bias_gradient(0.01)
    assert np.abs(free).max() > 0.01
    assert np.array_equal(clipped, free.clip(-0.01, 0.01))


def test_hooks_that_a_leaf_registers_end_with_it(folder: Path) -> None:
    stepper = dtrain.Stepper(DigitsCustom(folder=str(folder)))
    for k in range(3):
        stepper.leaf(k)
    assert not stepper.model.first.weight._hooks


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_digits_custom_has_the_digest_of_one_process(
    workers: int, folder: Path, tmp_path: Path
) -> None:
    job = DigitsCustom(max_steps=8, folder=str(folder))
    alone = dtrain.train(job, run_dir=tmp_path / "alone", quiet=True).digest
    few = ("--set", "max_steps=8", "--set", f"folder={folder}")
    assert digest_with(workers, "digits_custom", *few, cwd=tmp_path) == alone


# ----------------------------------------------------------------------------------------- memmap

SMALL_BYTES = 5 * memmap.BLOCK * memmap.RECORD.itemsize  # 63 MB


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("memmap")
    memmap.make(place, SMALL_BYTES)
    return place


def test_the_file_has_at_least_the_size_that_was_asked_for(made: Path) -> None:
    file, count = memmap.found(made)
    assert (file.stat().st_size, count) == (SMALL_BYTES, 5 * memmap.BLOCK)
    assert [path.name for path in made.iterdir()] == [memmap.FILE]


def test_samples_are_the_records_of_the_file(made: Path) -> None:
    data = Records(made / memmap.FILE, first=100, count=memmap.BLOCK)
    images, labels = data.take(np.array([0, memmap.BLOCK - 1]))
    expected = [memmap.block(0)[100], memmap.block(1)[99]]
    assert labels.tolist() == [record["label"] for record in expected]
    for image, record in zip(images.numpy(), expected, strict=True):
        assert np.array_equal(((image + 1) * 63.5).round(), record["pixels"])
    assert data[-1][0].numpy().tobytes() == images[1].numpy().tobytes()
    with pytest.raises(IndexError):
        data[memmap.BLOCK]


READS = """
import sys
import numpy as np
from pathlib import Path
from examples.memmap import FILE, Records, found

def anonymous():
    [line] = [line for line in open("/proc/self/status") if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024

file, count = found(Path(sys.argv[1]))
data = Records(file, 0, count)
batch = data.take(np.arange(64))
before = most = anonymous()
for start in range(0, count, 64):
    batch = data.take(np.arange(start, start + 64))
    most = max(most, anonymous())
copied = np.fromfile(file, np.uint8)
print(most - before, anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
def test_reading_all_of_a_file_holds_no_copy_of_it(
    made: Path, figure: Callable[[str], None]
) -> None:
    run = [sys.executable, "-c", READS, str(made)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout
    grown, with_a_copy = map(int, out.split())
    figure(
        f"memmap: reading {SMALL_BYTES / 1e6:.0f} MB took {grown / 1e6:.1f} MB of the process's own"
    )
    assert grown < SMALL_BYTES / 10
    assert with_a_copy > SMALL_BYTES * 0.9  # so the measure would have seen one


def test_another_process_gets_the_path_and_not_the_file(made: Path) -> None:
    data = Records(made / memmap.FILE, first=0, count=1000)
    data.take(np.arange(3))
    pickled = pickle.dumps(data)
    assert len(pickled) < 1000
    assert pickle.loads(pickled)[7][0].numpy().tobytes() == data[7][0].numpy().tobytes()


def test_the_file_can_be_learned_from(made: Path, tmp_path: Path) -> None:
    result = dtrain.train(Memmap(max_steps=40), run_dir=tmp_path, quiet=True, data=made)
    assert result.eval["accuracy"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_memmap_has_the_digest_of_one_process(workers: int, made: Path, tmp_path: Path) -> None:
    alone = dtrain.train(Memmap(max_steps=8), run_dir=tmp_path / "alone", quiet=True, data=made)
    few = ("--set", "max_steps=8", "--data", str(made))
    assert digest_with(workers, "memmap", *few, cwd=tmp_path) == alone.digest


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=rf"records\.bin is missing; .*--make 2GB --data {tmp_path}"):
        memmap.found(tmp_path)


def test_a_file_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / memmap.FILE).write_bytes(bytes(memmap.RECORD.itemsize + 1))
    with pytest.raises(JobError, match="3,074 bytes, which --make did not write"):
        memmap.found(tmp_path)


def test_a_file_for_which_there_is_no_room_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"has room for .* GB; take a smaller --make"):
        memmap.make(tmp_path, 10**18)
    assert not list(tmp_path.iterdir())


def test_the_script_makes_the_file(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "examples" / "memmap.py")]
    made = subprocess.run(
        [*script, "--make", "1KB", "--data", str(tmp_path / "new")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.endswith("records.bin: 12,587,008 bytes, 4,096 records\n")


@pytest.mark.parametrize(("text", "size"), [("2GB", 2e9), ("1.5 tb", 1.5e12), ("500KB", 5e5)])
def test_sizes_are_written_with_units(text: str, size: float) -> None:
    assert memmap.in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "2", "GB", "0GB", "-1GB", "2XB"])
def test_other_texts_are_no_sizes(text: str) -> None:
    with pytest.raises(Exception, match="is no size; write one like 500MB or 2GB"):
        memmap.in_bytes(text)
