"""What must not take part is sent away with a clear line; the run goes on, or says why not."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import zmq

from dtrain.wire import sockets
from dtrain.wire.address import parse
from dtrain.wire.codec import Packet
from dtrain.wire.messages import Envelope, Hello, Refused
from tests.service.processes import (
    DIGITS,
    dtrain,
    finish,
    joins,
    lines,
    options,
    read,
    running,
    until,
)

HELPED = """
import dtrain
import helper
from digits import Digits as Base

class Digits(Base):
    def loss(self, model, batch):
        return helper.scale * super().loss(model, batch)
"""

IMPURE = """
from digits import Digits as Base

class Counting:
    seen = 0
    def __init__(self, data): self.data = data
    def __len__(self): return len(self.data)
    def __getitem__(self, i):
        Counting.seen += 1
        x, y = self.data[i]
        return x * (1 + Counting.seen), y

class Digits(Base):
    def train_data(self): return Counting(super().train_data())
"""

RAISING = """
from digits import Digits as Base

class Digits(Base):
    def loss(self, model, batch):
        if self.step == 3:
            raise ZeroDivisionError("a mistake of the user")
        return super().loss(model, batch)
"""


@pytest.fixture
def job(tmp_path: Path) -> Any:
    """Writes a job file beside a copy of the digits example."""
    shutil.copy(DIGITS, tmp_path / "digits.py")

    def write(text: str) -> str:
        (tmp_path / "job.py").write_text(text)
        return str(tmp_path / "job.py")

    return write


@pytest.fixture
def serving(tmp_path: Path) -> Any:
    """A coordinator that waits for workers, for a run that is short once they are there."""

    def serve(job: str, **environment: str) -> Any:
        short = ["--bind", "tcp://127.0.0.1:*", *options(epochs=1)]
        where = ["--run-dir", str(tmp_path / "run")]
        return running("coordinator", job, *short, *where, cwd=tmp_path, **environment)

    return serve


def address(run_dir: Path) -> str:
    """Where the coordinator of a run listens, once it does."""
    ready = until(lambda: (run_dir / "run.json").exists() and read(run_dir).get("address"), "run")
    return str(ready)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_impure_getitem_is_found_before_the_first_step(
    workers: str, job: Any, tmp_path: Path
) -> None:
    ended = dtrain("run", job(IMPURE), "--workers", workers, cwd=tmp_path)
    assert ended.code == 2
    [line] = ended.err.splitlines()
    assert line.startswith("dtrain: ")
    assert "0.weight" in line or "loss" in line
    assert "rng()" in line


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_exception_in_loss_shows_the_users_traceback_step_and_leaf(
    workers: str, job: Any, tmp_path: Path
) -> None:
    ended = dtrain("run", job(RAISING), "--workers", workers, cwd=tmp_path)
    assert ended.code == 1
    assert 'raise ZeroDivisionError("a mistake of the user")' in ended.err
    assert "job.py" in ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("dtrain: ")
    assert "step 3, leaf " in last


def test_a_worker_whose_helper_module_differs_is_refused_with_its_name(
    job: Any, serving: Any, tmp_path: Path
) -> None:
    (tmp_path / "helper.py").write_text("scale = 1.0\n")
    mine = job(HELPED)
    other = tmp_path / "other"
    other.mkdir()
    for name in ("digits.py", "job.py"):
        shutil.copy(tmp_path / name, other / name)
    (other / "helper.py").write_text("scale = 2.0\n")
    with serving(mine):
        where = address(tmp_path / "run")
        ended = dtrain("worker", str(other / "job.py"), "--connect", where, "--workers", "1")
    assert ended.code == 2
    [line] = ended.err.splitlines()
    assert "helper.py" in line


def test_a_worker_of_another_fingerprint_is_refused_with_both_sides(
    serving: Any, tmp_path: Path
) -> None:
    with serving(DIGITS, OPENBLAS_CORETYPE="Haswell"):
        where = address(tmp_path / "run")
        ended = dtrain(
            *("worker", DIGITS, "--connect", where, "--workers", "1"), OPENBLAS_CORETYPE="Nehalem"
        )
        assert ended.code == 2
        assert "Haswell" in ended.err
        assert "Nehalem" in ended.err
        assert "OPENBLAS_CORETYPE" in ended.err
        refused = [e for e in lines(tmp_path / "run" / "events.jsonl") if e["event"] == "refused"]
    assert [event["code"] for event in refused] == ["fingerprint"]


def test_another_protocol_version_is_refused_with_both_numbers(
    serving: Any, tmp_path: Path
) -> None:
    with serving(DIGITS):
        where = address(tmp_path / "run")
        context: zmq.Context[Any] = zmq.Context()
        connection = sockets.dial(context, parse(where))
        sockets.send(connection, Envelope(), Hello(99, "worker", "w", "h", 1, "n"))
        assert connection.poll(20_000)
        answer = sockets.receive(connection)
        connection.close(linger=0)
        context.term()
    assert isinstance(answer, Packet)
    assert isinstance(answer.message, Refused)
    assert (answer.message.code, "99" in answer.message.reason) == ("protocol", True)


def test_garbage_is_answered_and_the_run_is_unaffected(serving: Any, tmp_path: Path) -> None:
    with serving(DIGITS) as coordinator:
        where = address(tmp_path / "run")
        context: zmq.Context[Any] = zmq.Context()
        connection = sockets.dial(context, parse(where))
        for garbage in (b"", b"\xc1", b"\x00" * 10_000, b"GET / HTTP/1.1"):
            connection.send_multipart([garbage, b"x"])
        assert connection.poll(20_000)
        connection.close(linger=0)
        context.term()
        assert dtrain("worker", DIGITS, "--connect", where, "--workers", "1").code == 0
        assert finish(coordinator).code == 0


def test_a_busy_port_is_one_line_with_the_remedy(serving: Any, tmp_path: Path) -> None:
    with serving(DIGITS):
        where = address(tmp_path / "run")
        ended = dtrain("coordinator", DIGITS, "--bind", where, cwd=tmp_path)
    assert ended.code == 2
    [line] = ended.err.splitlines()
    assert "--bind" in line


def test_without_a_coordinator_a_worker_gives_up_and_says_so(tmp_path: Path) -> None:
    where = f"ipc://{tmp_path}/nobody"
    command = ["worker", DIGITS, "--connect", where, "--workers", "1", "--reconnect-for", "1s"]
    ended = dtrain(*command)
    assert ended.code == 1
    [line] = ended.err.splitlines()
    assert "no coordinator" in line


def test_a_local_run_whose_workers_are_all_refused_ends(job: Any, tmp_path: Path) -> None:
    """The data differ from process to process."""
    text = IMPURE.replace("Counting.seen += 1", "import os; Counting.seen = os.getpid()")
    command = ["run", job(text), "--workers", "2", "--run-dir", str(tmp_path / "run")]
    ended = dtrain(*command, cwd=tmp_path)
    assert ended.code == 1
    assert "every worker was refused" in ended.err
    assert "the data on" in ended.out + ended.err
    assert joins(tmp_path / "run") == []


def test_more_workers_than_leaves_is_said(tmp_path: Path) -> None:
    command = ["run", DIGITS, "--workers", "3", *options(micro_batches=2, epochs=1)]
    ended = dtrain(*command, cwd=tmp_path)
    assert ended.code == 0
    assert "micro_batches" in ended.out + ended.err
