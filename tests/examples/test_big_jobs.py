"""The jobs on real data sets, in small: two steps on made-up data in the published formats."""

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dtrain
from dtrain import keyed
from dtrain.data.datasets import CIFAR10, FashionMNIST
from dtrain.data.datasets.published import Published
from dtrain.errors import JobError
from examples.cifar_resnet import CifarResNet, Moved
from examples.fashion_cnn import FashionCNN
from examples.shakespeare import CHARACTERS, Shakespeare, sample

SHORT = {"max_steps": 2, "batch_size": 6, "micro_batches": 3}
TEXT = CHARACTERS * 20
TINY = {**SHORT, "context": 8, "layers": 2, "heads": 2, "width": 8, "warmup": 1}

Train = Callable[[str], dtrain.Result]


def idx(array: np.ndarray) -> bytes:
    """A compressed idx file of unsigned bytes."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def write(folder: Path, name: str, data: bytes) -> Published:
    """A file as if it were published: named with its hash."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return Published(name, hashlib.sha256(data).hexdigest())


def idx_files(folder: Path, name: str, n: int, seed: int) -> tuple[Published, Published]:
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (n, 28, 28)), rng.integers(0, 10, n)
    return (
        write(folder, f"{name}-images-idx3-ubyte.gz", idx(images)),
        write(folder, f"{name}-labels-idx1-ubyte.gz", idx(labels)),
    )


def records(folder: Path, name: str, n: int, seed: int) -> Published:
    table = np.random.default_rng(seed).integers(0, 256, (n, 3073)).astype(np.uint8)
    table[:, 0] %= 10
    return write(folder, name, table.tobytes())


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of all three data sets, the data sets made to accept these files."""
    fashion, cifar, text = (
        tmp_path / name for name in ("fashion-mnist", "cifar-10", "tinyshakespeare")
    )
    monkeypatch.setattr(FashionMNIST, "train_files", idx_files(fashion, "train", 14, seed=0))
    monkeypatch.setattr(FashionMNIST, "test_files", idx_files(fashion, "t10k", 5, seed=1))
    monkeypatch.setattr(CIFAR10, "train_files", (records(cifar, "data_batch_1.bin", 14, seed=2),))
    monkeypatch.setattr(CIFAR10, "test_file", records(cifar, "test_batch.bin", 5, seed=3))
    write(text, "input.txt", TEXT.encode())
    return tmp_path


def jobs() -> dict[str, Callable[..., dtrain.Job]]:
    """Each of the jobs, small."""
    return {
        "fashion_cnn": lambda: FashionCNN(**SHORT, width=2, hidden=4),
        "cifar_resnet": lambda: CifarResNet(**SHORT, width=2),
        "shakespeare": lambda: Shakespeare(**TINY, dropout=0.1),
    }


@pytest.fixture
def train(data: Path, tmp_path: Path) -> Train:
    """Train one of them, by name, into a run directory of its own."""

    def run(name: str) -> dtrain.Result:
        into = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        return dtrain.train(jobs()[name](), run_dir=into, quiet=True, data=data)

    return run


@pytest.mark.parametrize("name", jobs())
def test_a_second_run_ends_in_the_same_digest(name: str, train: Train) -> None:
    first, second = train(name), train(name)
    assert (first.steps, first.digest) == (2, second.digest)


@pytest.mark.parametrize("name", jobs())
def test_the_evaluation_after_two_steps_is_finite_and_named(name: str, train: Train) -> None:
    metrics = train(name).eval
    measure = "bits_per_character" if name == "shakespeare" else "accuracy"
    assert set(metrics) == {"loss", measure}
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("name", jobs())
def test_without_data_it_says_where_to_get_them(name: str, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="get it from"):
        dtrain.train(jobs()[name](), run_dir=tmp_path / "run", quiet=True, data=tmp_path)


def write_text(run: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    sample(["--sample", str(run), *options])
    return capsys.readouterr().out


def test_a_run_writes_as_many_characters_as_asked_for_after_the_prompt(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("shakespeare").run_dir
    text = write_text(run, capsys, "--characters", "30", "--prompt", "To be")
    assert (text[:5], len(text)) == ("To be", 5 + 30 + 1)


def test_the_text_is_a_function_of_the_seed(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("shakespeare").run_dir
    a, b, c = (write_text(run, capsys, "--characters", "40", "--seed", seed) for seed in "001")
    assert a == b != c


def test_a_prompt_with_an_unknown_character_is_refused(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("shakespeare").run_dir
    with pytest.raises(SystemExit):
        sample(["--sample", str(run), "--prompt", "100 %"])
    assert "--prompt" in capsys.readouterr().err


def test_a_run_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        sample(["--sample", str(tmp_path / "absent")])
    assert str(tmp_path / "absent") in capsys.readouterr().err


def test_a_text_of_other_characters_is_refused_with_the_setting_to_make(data: Path) -> None:
    job: Any = Shakespeare(**TINY, characters="abc")
    job._use_data(data)
    with pytest.raises(JobError, match="set characters to"):
        job.train_data()


def test_how_an_image_is_moved_depends_on_seed_epoch_and_index_alone(data: Path) -> None:
    images = Moved(data, batches=(1,))

    def moved(epoch: int, index: int) -> bytes:
        with keyed.sample_scope(0, epoch, index):
            return images[index][0].numpy().tobytes()

    assert moved(0, 3) == moved(0, 3) != moved(1, 3)


def test_a_moved_image_has_the_shape_and_the_type_of_one_that_is_not(data: Path) -> None:
    with keyed.sample_scope(0, 0, 1):
        moved, _ = Moved(data, batches=(1,))[1]
    still, _ = CIFAR10(data, batches=(1,))[1]
    assert (moved.shape, moved.dtype) == (still.shape, still.dtype)
