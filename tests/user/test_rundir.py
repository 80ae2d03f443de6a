"""A run directory: never overwritten, whole at any time, damaged files recognised."""

import json
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from dtrain.digest import digest
from dtrain.errors import RunDirError
from dtrain.rundir import RunDir


def test_the_default_name_is_the_jobs_and_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = str(RunDir.create(None, "Digits").path)
    assert re.fullmatch(r"runs/digits-\d{8}-\d{6}", name)


def test_runs_of_the_same_second_have_directories_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20260101-000000")
    names = [RunDir.create(None, "net").path.name for _ in range(3)]
    assert names == [f"net-20260101-000000{end}" for end in ("", "-2", "-3")]


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(RunDirError, match="never overwritten"):
        RunDir.create(tmp_path, "net")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    assert RunDir.create(tmp_path, "net").path == tmp_path


def test_a_place_where_no_directory_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirError, match="file/run"):
        RunDir.create(tmp_path / "file" / "run", "net")


def test_keys_of_run_json_are_added_and_replaced(tmp_path: Path) -> None:
    run_dir = RunDir.open(tmp_path)
    run_dir.update_run(state="running", steps=3)
    run_dir.update_run(state="finished")
    assert run_dir.read_run() == {"state": "finished", "steps": 3}


def test_a_write_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = RunDir.open(tmp_path)
    run_dir.update_run(state="running")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Exception, match=r"run\.json: No space left on device"):
        run_dir.update_run(state="finished")
    assert run_dir.read_run() == {"state": "running"}
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_numbers_that_json_has_not_are_null(tmp_path: Path) -> None:
    RunDir.open(tmp_path).append_metrics({"loss": float("nan"), "logs": {"a": float("inf")}})
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line) == {"loss": None, "logs": {"a": None}}


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    run_dir = RunDir.open(tmp_path)
    run_dir.append_metrics({"step": 0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1')
    assert run_dir.metrics() == [{"step": 0}]


WEIGHTS = OrderedDict(
    {
        "z.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "a.bias": np.array([1.0, -0.0]),
        "count": np.array(7),
        "empty": np.zeros((0, 3), np.float32),
    }
)


@pytest.fixture
def written(tmp_path: Path) -> RunDir:
    run_dir = RunDir.open(tmp_path)
    run_dir.update_run(state="finished")
    run_dir.write_final(WEIGHTS, digest(WEIGHTS), steps=3)
    return run_dir


def test_weights_come_back_bit_for_bit_in_their_order(written: RunDir) -> None:
    final = written.read_final()
    assert list(final.weights) == list(WEIGHTS)
    for name, array in final.weights.items():
        expected = WEIGHTS[name]
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == expected.tobytes()


def test_the_digest_of_the_file_is_that_of_the_weights(written: RunDir) -> None:
    final = written.read_final()
    assert (final.digest, final.steps) == (digest(WEIGHTS), 3)


@pytest.mark.parametrize("at", [4, 60, -1])
def test_a_changed_byte_of_the_weights_is_noticed(written: RunDir, at: int) -> None:
    file = written.path / "final.safetensors"
    content = bytearray(file.read_bytes())
    content[at] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(RunDirError, match="is damaged"):
        written.read_final()


def test_without_weights_the_state_of_the_run_is_said(tmp_path: Path) -> None:
    run_dir = RunDir.open(tmp_path)
    run_dir.update_run(state="failed")
    with pytest.raises(RunDirError, match="does not exist; the run's state is 'failed'"):
        run_dir.read_final()


def test_a_damaged_run_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunDirError, match=r"run\.json is damaged"):
        RunDir.existing(tmp_path).read_run()


def test_a_folder_without_run_json_is_no_run_directory(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="is no run directory"):
        RunDir.existing(tmp_path)


def test_sources_are_copied_to_their_places(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("x = 1\n")
    run_dir = RunDir.create(tmp_path / "r", "net")
    run_dir.save_sources({"models/net.py": tmp_path / "net.py"})
    assert (run_dir.source / "models" / "net.py").read_text() == "x = 1\n"


def test_equal_weights_are_equal_files(tmp_path: Path) -> None:
    weights = {"b": np.arange(3.0), "a": np.ones((2, 2), np.float32)}
    files = []
    for name in "xyz":
        run = RunDir.open(tmp_path / name)
        run.write_final(weights, digest(weights), 3)
        files.append((run.path / "final.safetensors").read_bytes())
    assert files[0] == files[1] == files[2]
