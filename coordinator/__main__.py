"""`python -m coordinator JOB …`: one coordinator. The command line starts this process."""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zmq

from coordinator.admission import Identity
from coordinator.core import Coordinator
from coordinator.events import Finish
from coordinator.rounds import Work
from coordinator.shell import Shell
from dtrain import jobfile, numerics
from dtrain.checked import job_of
from dtrain.errors import DtrainError, LeafError, UserError
from dtrain.leaf import LeafComputer
from dtrain.pinned import restart_pinned
from dtrain.probe import Probe, probe
from dtrain.progress import console
from dtrain.recorder import MAX_SECONDS, Recorder, RunInfo, State
from dtrain.rundir import RunDir
from dtrain.trainer import Trainer
from dtrain.wire import address, sockets
from dtrain.wire.link import Lifeline

LAST_WORDS_MS = 1000  # for Stop to reach the workers


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments; `dtrain run` and `dtrain coordinator` write them."""
    parser = argparse.ArgumentParser(prog="python -m coordinator", description=__doc__)
    parser.add_argument("job", help="JOB.py, JOB.py:Class or package.module:Class")
    parser.add_argument("--bind", required=True, help="address to listen at")
    parser.add_argument("--insecure", action="store_true", help="no keys beyond this host")
    parser.add_argument("--settings", default="{}", help="settings that were given, as JSON")
    parser.add_argument("--run-dir", required=True, type=Path)
    parser.add_argument("--data", type=Path, default=None, help="folder of the data")
    parser.add_argument("--workers", type=int, default=None, help="how many were started")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--debug", action="store_true")
    parser.add_argument("--hint", action="store_true", help="print the worker command to paste")
    parser.add_argument("--remove", type=Path, help="a folder to remove at the end: the socket's")
    parser.add_argument("--lifeline", action="store_true", help="stop at the end of stdin")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run; the exit code: 0 done, 1 failed, 2 the user's mistake, 128+n stopped by a signal."""
    options = parse(argv)
    # Until the shell sees to signals, one ends the process: Python's own handler would have to wait
    # for whatever the user's code has called to return, be it the 30 s of a download.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return run(options)
    except LeafError as error:
        print(f"{error.trace.rstrip()}\ndtrain: {error}", file=sys.stderr)
        return 1
    except DtrainError as error:
        if options.debug:
            raise
        print(f"dtrain: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1


def run(options: argparse.Namespace) -> int:
    """Bind, build, serve, write the end down."""
    where = address.parse(options.bind)
    address.require_safe_bind(where, options.insecure)
    spec = jobfile.JobSpec.parse(options.job)
    sources = jobfile.sources(spec)  # before it is loaded: what is hashed is what runs
    job = job_of(jobfile.load(spec), json.loads(options.settings))
    job._use_data(options.data)
    restart_pinned(job.blas_threads, job.numerics)
    context: zmq.Context[Any] = zmq.Context()
    router, endpoint = sockets.bind_router(context, where)
    try:
        hint = worker_hint(options.job, endpoint)
        if options.hint:
            print(f"workers join with:  {hint}", flush=True)
        computer = LeafComputer(job)
        trainer = Trainer(computer)
        probed = probe(computer)
        recorder = Recorder(
            RunDir.open(options.run_dir), console(json=options.json, quiet=options.quiet)
        )
        table = numerics.fingerprint()
        recorder.started(run_info(options, computer, probed, table, endpoint, sources))
        core = make_core(sources, computer, probed, table)
        lifeline = Lifeline() if options.lifeline else None
        finish = Shell(router, core, trainer, recorder, hint, lifeline).run()
        return write_end(finish, trainer, recorder)
    finally:
        router.close(linger=LAST_WORDS_MS)
        context.term()
        if options.remove:  # the launcher does so too, unless it was killed
            shutil.rmtree(options.remove, ignore_errors=True)


def make_core(
    sources: dict[str, str], computer: LeafComputer, probed: Probe, table: dict[str, str]
) -> Coordinator:
    """The core of a new run."""
    layout = computer.layout
    work = Work(
        schedule=computer.schedule,
        chunks=len(layout.chunks),
        frozen=len(layout.frozen),
        has_buffers=bool(layout.buffers),
        settings=computer.job.settings(),
        layout=layout.to_dict(),
    )
    identity = Identity(
        sources=sources,
        layout=layout.hash(),
        data=computer.data_identity,
        probe=probed.hash,
        parameters=dict(probed.per_parameter),
        fingerprint=table,
        explain=numerics.explain_difference,
    )
    return Coordinator(secrets.token_hex(8), 1, work, identity, now=time.monotonic())


def run_info(
    options: argparse.Namespace,
    computer: LeafComputer,
    probed: Probe,
    table: dict[str, str],
    endpoint: str,
    sources: dict[str, str],
) -> RunInfo:
    """What run.json says from the start."""
    job = computer.job
    return RunInfo(
        job=type(job).__name__,
        settings=job.settings(),
        steps=computer.schedule.steps,
        parameters=sum(parameter.size for parameter in computer.layout.parameters),
        workers=options.workers,
        fingerprint=table,
        probe=probed.hash,
        spec=options.job,
        sources=sources,
        address=endpoint,
    )


def write_end(finish: Finish, trainer: Trainer, recorder: Recorder) -> int:
    """Weights, digest and result of a run that is over, however it went."""
    if finish.trace:
        print(finish.trace.rstrip(), file=sys.stderr)
    if finish.code == 1:
        print(f"dtrain: {finish.reason}", file=sys.stderr)
    state = end_state(finish, trainer)
    error = finish.reason if finish.code == 1 else None
    recorder.finished(
        state, trainer.digest(), trainer.state_dict(), steps=trainer.version, error=error
    )
    return finish.code


def end_state(finish: Finish, trainer: Trainer) -> State:
    """How run.json calls this end."""
    if finish.code == 1:
        return "failed"
    done = trainer.version == trainer.computer.schedule.steps and finish.code == 0
    return "finished" if done or finish.reason == MAX_SECONDS else "stopped"


def reachable_address() -> str:
    """This host's address on the route to other hosts; its name where there is no route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe_socket:
        try:
            probe_socket.connect(("192.0.2.1", 9))  # documentation address; UDP sends nothing here
            return str(probe_socket.getsockname()[0])
        except OSError:
            return socket.gethostname()


def worker_hint(job: str, endpoint: str) -> str:
    """The command that starts workers, with an address that they can reach."""
    bound = address.parse(endpoint)
    if bound.transport == "ipc" or bound.host not in ("0.0.0.0", "::"):
        target = endpoint
    else:
        target = f"{reachable_address()}:{bound.port}"
    data = " [--data DIR]" if os.environ.get("DTRAIN_DATA") else ""
    return f"dtrain worker {job} --connect {target}{data}"


if __name__ == "__main__":
    sys.exit(main())
