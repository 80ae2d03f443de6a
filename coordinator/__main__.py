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
from dataclasses import replace
from pathlib import Path
from typing import Any

import zmq

from coordinator.admission import Identity
from coordinator.core import Coordinator
from coordinator.rounds import Work
from coordinator.shell import Shell
from dtrain import jobfile, numerics
from dtrain.checked import job_of
from dtrain.errors import DtrainError, LeafError, UserError
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.opening import blamed, end_state, finish, open_run, run_info
from dtrain.pinned import restart_pinned
from dtrain.probe import Probe, probe
from dtrain.progress import console
from dtrain.recorder import Recorder, State
from dtrain.records import RunInfo
from dtrain.resume import KINDS, Start
from dtrain.rundir import RunDir
from dtrain.saying import say
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
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run-dir")
    parser.add_argument("--init", type=Path, default=None, help="weights to begin with")
    parser.add_argument("--allow-change", action="append", default=[], choices=KINDS)
    parser.add_argument("--stop-after", type=int, default=None, help="steps in all")
    parser.add_argument("--allow-drift", action="store_true", help="accept other arithmetic")
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
        say(f"{error.trace.rstrip()}\ndtrain: {error}", sys.stderr)
        return 1
    except DtrainError as error:
        if options.debug:
            raise
        say(f"dtrain: {error}", sys.stderr)
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
    run_dir = RunDir.open(options.run_dir)
    run_dir.lock()
    context: zmq.Context[Any] = zmq.Context()
    router, endpoint = sockets.bind_router(context, where)
    try:
        hint = worker_hint(options.job, endpoint)
        if options.hint:
            say(f"workers join with:  {hint}", sys.stdout)
        shown = console(json=options.json, quiet=options.quiet)
        recorder = Recorder(run_dir, shown, job=job)
        trainer, core = build(options, recorder, job, sources, endpoint)
        lifeline = Lifeline() if options.lifeline else None
        return serve(Shell(router, core, trainer, recorder, hint, lifeline), trainer, recorder)
    finally:
        router.close(linger=LAST_WORDS_MS)
        context.term()
        if options.remove:  # the launcher does so too, unless it was killed
            shutil.rmtree(options.remove, ignore_errors=True)


def build(
    options: argparse.Namespace,
    recorder: Recorder,
    job: Job,
    sources: dict[str, str],
    endpoint: str,
) -> tuple[Trainer, Coordinator]:
    """The trainer, where the run begins or goes on, and the core that goes with it."""
    assert recorder.run_dir is not None, "a coordinator always has a run directory"
    resumption = start_of(options).read(recorder.run_dir)
    computer = LeafComputer(job)
    trainer = Trainer(computer)
    probed = probe(computer)  # at the initial weights, as workers do it
    info = replace(
        run_info(computer, probed.hash, numerics.fingerprint(), resumption),
        workers=options.workers,
        spec=options.job,
        sources=sources,
        address=endpoint,
        run=resumption.record.get("run") or secrets.token_hex(8),
    )
    open_run(trainer, recorder, info, resumption)
    return trainer, make_core(info, trainer, probed, allow_drift=options.allow_drift)


def start_of(options: argparse.Namespace) -> Start:
    """How the run begins, as the command line says it."""
    return Start(
        options.resume,
        options.init,
        tuple(options.allow_change),
        options.allow_drift,
        options.stop_after,
    )


def make_core(info: RunInfo, trainer: Trainer, probed: Probe, allow_drift: bool) -> Coordinator:
    """The core of a run, new or resumed."""
    computer = trainer.computer
    layout = computer.layout
    work = Work(
        schedule=computer.schedule,
        chunks=len(layout.chunks),
        frozen=len(layout.frozen),
        has_buffers=bool(layout.buffers),
        settings=dict(info.settings),
        layout=layout.to_dict(),
    )
    identity = Identity(
        sources=dict(info.sources),
        layout=info.layout,
        data=info.data,
        probe=probed.hash,
        parameters=dict(probed.per_parameter),
        fingerprint=dict(info.fingerprint),
        explain=numerics.explain_difference,
        allow_drift=allow_drift,
    )
    return Coordinator(
        *(info.run, info.term, work, identity),
        version=trainer.version,
        evaluated=trainer.evaluated,
        now=time.monotonic(),
    )


def serve(shell: Shell, trainer: Trainer, recorder: Recorder) -> int:
    """Until the run is over; then write down how it ended. The exit code."""
    end = shell.run()
    error = blamed(trainer, shell.nonfinite) if shell.nonfinite is not None else None
    reason = end.reason if error is None else str(error)
    if end.trace:
        say(end.trace.rstrip(), sys.stderr)
    has_failed = end.code == 1
    if has_failed:
        say(f"dtrain: {reason}", sys.stderr)
    state: State = "failed" if has_failed else end_state(trainer, end.reason)
    failure = finish(trainer, recorder, shell.saver, state, reason if has_failed else None)
    if failure is not None and failure != reason:
        say(f"dtrain: {failure}", sys.stderr)
    return end.code if failure is None else 1


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
