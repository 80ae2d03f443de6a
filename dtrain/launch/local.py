"""Coordinator and workers on this host: start them, watch them, pass signals on."""

import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dtrain.launch.children import Children, Ended
from dtrain.numerics import pins
from dtrain.resume import Start
from dtrain.saying import say
from dtrain.uplink import Dial, Exit, SendUp, Uplink, UplinkLimits
from dtrain.wire import address
from dtrain.wire.link import Link, Waker
from dtrain.wire.messages import LAUNCHER, PROTOCOL, Beat, Died, Hello, Stop
from dtrain.wire.sockets import require_resolvable

COORDINATOR = "coordinator"
STOP_S = 660.0  # for the coordinator to write what it has: longer than Saver waits for the disk
PATIENCE_S = 5.0  # before saying that it does


@dataclass(frozen=True)
class LocalRun:
    """A run with workers, all on this host."""

    job: str
    workers: int
    run_dir: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    bind: str | None = None
    insecure: bool = False
    data: str | None = None
    start: Start = field(default_factory=Start)
    json: bool = False
    quiet: bool = False
    debug: bool = False

    def pins(self) -> dict[str, str]:
        """The environment of its processes; they correct it if the job's class says otherwise."""
        threads = self.settings.get("blas_threads", 1)
        return pins(int(threads), str(self.settings.get("numerics", "native")))


def run(local: LocalRun) -> int:
    """Start everything, and wait for the end; the exit code is the coordinator's."""
    folder = Path(tempfile.mkdtemp(prefix="dtrain-"))  # mode 0700: the socket in it is private
    try:
        where = address.parse(local.bind or f"ipc://{folder}/coordinator")
        address.require_safe_bind(where, local.insecure)
        where = _with_port(where)
        return Launcher(local.pins(), where).run(local, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def coordinator(arguments: Sequence[str], threads: int = 1, numerics: str = "native") -> int:
    """Become `python -m coordinator …`. Returns only if that cannot be started."""
    environment = {**os.environ, **pins(threads, numerics)}
    os.execve(sys.executable, [sys.executable, "-P", "-m", "coordinator", *arguments], environment)


def workers(job: str, connect: str, count: int, options: Sequence[str] = ()) -> int:
    """Start that many workers for a coordinator elsewhere, and wait until they have ended."""
    where = address.parse(connect)
    require_resolvable(where)
    return Launcher(pins(1, "native"), where).serve(job, count, options)


class Launcher:
    """Watches children, and tells the coordinator at once when a worker's process has ended."""

    def __init__(self, environment: Mapping[str, str], where: address.Address) -> None:
        self._waker = Waker()
        self._waker.on_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._children = Children(environment, self._waker.wake)
        self._where = where
        self._link = Link(where, self._waker)
        hello = Hello(
            PROTOCOL, LAUNCHER, f"l{secrets.token_hex(3)}", socket.gethostname(), os.getpid(), ""
        )
        limits = UplinkLimits(reconnect_for_s=float("inf"))  # it lives as long as its children
        self._uplink = Uplink(hello, limits, time.monotonic())
        self._untold: list[Ended] = []
        self._codes: list[int] = []
        self._passed_on = 0  # the last signal that was
        self._end_by = float("inf")  # for the coordinator, once it was asked to stop
        self._tell_at = float("inf")  # that it takes its time
        self._resume = ""  # the command that goes on with the run

    def run(self, local: LocalRun, folder: Path) -> int:
        """A whole run; returns the coordinator's exit code."""
        data = f" --data {shlex.quote(local.data)}" if local.data else ""
        self._resume = f"dtrain run --resume {shlex.quote(str(local.run_dir))}{data}"
        try:
            self._children.start(
                COORDINATOR, "coordinator", _coordinator_arguments(local, self._where, folder)
            )
            for i in range(local.workers):
                self._start_worker(f"w{i}", local.job, _worker_options(local))
            return self._until_coordinator_ends()
        finally:
            self._close()

    def serve(self, job: str, count: int, options: Sequence[str]) -> int:
        """Workers only; returns the largest of their exit codes."""
        try:
            for i in range(count):
                self._start_worker(f"w{os.getpid()}.{i}", job, options)
            while self._children.alive:
                self._watch()
                if self._waker.signals:
                    self._waker.signals.clear()
                    self._children.signal(signal.SIGTERM)
            return max((1 if code < 0 else code for code in self._codes), default=0)
        finally:
            self._close()

    def _start_worker(self, name: str, job: str, options: Sequence[str]) -> None:
        arguments = [job, "--connect", self._where.endpoint, "--name", name, *options]
        self._children.start(name, "workers", arguments)

    def _until_coordinator_ends(self) -> int:
        while True:
            for ended in self._watch():
                if ended.name == COORDINATOR:
                    return self._exit_code(ended)
            while self._waker.signals:
                self._pass_on(self._waker.signals.pop(0))
            if (
                self._all_refused()
            ):  # said at every turn: a session may be lost with what it carried
                self._uplink.send(Stop("every worker was refused; see above", 1))
            if time.monotonic() > self._tell_at:
                self._tell_at = float("inf")
                say("dtrain: still writing what there is; Ctrl+C again ends it", sys.stderr)
            if time.monotonic() > self._end_by:
                say("dtrain: the coordinator does not stop; it is killed", sys.stderr)
                self._children.signal(signal.SIGKILL, [COORDINATOR])
                self._end_by = float("inf")

    def _pass_on(self, number: int) -> None:
        """A signal for the coordinator, which has some time to end; the second one ends it now."""
        patience_s = STOP_S if self._passed_on == 0 else 0.0
        self._passed_on = number
        self._tell_at = time.monotonic() + PATIENCE_S
        self._end_by = time.monotonic() + patience_s
        self._children.signal(number, [COORDINATOR])

    def _exit_code(self, ended: Ended) -> int:
        if ended.code >= 0:
            return ended.code
        if self._passed_on:
            return 128 + self._passed_on
        say(f"dtrain: the coordinator is gone: {ended.reason}", sys.stderr)
        if self._resume:
            say(f"to go on: {self._resume}", sys.stderr)
        return 1

    def _all_refused(self) -> bool:
        """Whether every worker has ended because it may not take part: none will come back."""
        return (
            self._children.alive == [COORDINATOR]
            and bool(self._codes)
            and all(code == 2 for code in self._codes)
        )

    def _watch(self) -> list[Ended]:
        """Wait a little; returns the children that have ended."""
        now = time.monotonic()
        self._uplink.tick(now, Beat())
        self._speak()
        wake_at = self._uplink.wake_at()
        for packet in self._link.receive(None if wake_at is None else wake_at - now):
            self._uplink.hear(packet.envelope, packet.message, time.monotonic())
        ended = self._children.ended()
        workers = [one for one in ended if one.name != COORDINATOR]
        self._codes += [one.code for one in workers]
        self._untold += workers
        if self._uplink.is_welcome:
            for one in self._untold:
                self._uplink.send(Died(socket.gethostname(), one.pid, one.reason))
            self._untold.clear()
        self._speak()
        return ended

    def _speak(self) -> None:
        actions, self._uplink.out = self._uplink.out, []
        for action in actions:
            match action:
                case Dial():
                    self._link.dial()
                case SendUp():
                    self._link.send(action)
                case Exit():
                    pass  # the children hear of the run's end themselves

    def _close(self) -> None:
        self._children.end()
        self._link.close(linger_ms=0)


def _coordinator_arguments(local: LocalRun, where: address.Address, folder: Path) -> list[str]:
    flags = {"--json": local.json, "--quiet": local.quiet, "--debug": local.debug}
    flags |= {"--insecure": local.insecure}
    return [
        local.job,
        *("--bind", where.endpoint, "--run-dir", str(local.run_dir), "--remove", str(folder)),
        *("--settings", json.dumps(dict(local.settings)), "--workers", str(local.workers)),
        *(("--data", local.data) if local.data else ()),
        *local.start.options(),
        *(flag for flag, wanted in flags.items() if wanted),
    ]


def _worker_options(local: LocalRun) -> list[str]:
    data = ["--data", local.data] if local.data else []
    return [*data, "--quiet", *(["--debug"] if local.debug else [])]


def _with_port(where: address.Address) -> address.Address:
    """Port 0 means a free one; it is chosen here, because the workers must be told."""
    if where.transport != "tcp" or where.port:
        return where
    with socket.socket(socket.AF_INET6 if ":" in where.host else socket.AF_INET) as probe:
        probe.bind((where.host, 0))
        return address.Address("tcp", where.host, probe.getsockname()[1])
