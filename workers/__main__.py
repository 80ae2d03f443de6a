"""`python -m workers JOB --connect ADDRESS`: one worker. The command line starts it."""

import argparse
import faulthandler
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dtrain import jobfile
from dtrain.checked import job_of
from dtrain.errors import DtrainError
from dtrain.job import Job
from dtrain.uplink import Exit, UplinkLimits
from dtrain.wire import address
from dtrain.wire.link import Lifeline
from dtrain.wire.messages import PROTOCOL, Hello
from dtrain.wire.sockets import require_resolvable
from workers.shell import Shell


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments; `dtrain run` and `dtrain worker` write them."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("job", help="JOB.py, JOB.py:Class or package.module:Class")
    parser.add_argument("--connect", required=True, help="the coordinator's address")
    parser.add_argument("--name", default=f"w{os.getpid()}", help="for messages")
    parser.add_argument("--data", type=Path, default=None, help="folder of the data")
    parser.add_argument("--reconnect-for", type=float, default=600.0, help="seconds")
    parser.add_argument("--quiet", action="store_true", help="the coordinator reports")
    parser.add_argument("--debug", action="store_true")
    parser.add_argument("--lifeline", action="store_true", help="leave at the end of stdin")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Work until the run is over; the exit code: 0 as it should be, 1 failed, 2 refused."""
    faulthandler.enable()
    options = parse(argv)
    try:
        end = work(options)
    except KeyboardInterrupt:  # while the job was loaded; later on the shell sees to signals
        return 130
    except DtrainError as error:
        if options.debug:
            raise
        end = Exit(str(error), 2)
    if end.code and not options.quiet:
        print(f"dtrain worker: {end.reason}", file=sys.stderr)
    elif not options.quiet:
        print(f"{options.name}: the end: {end.reason}", flush=True)
    return end.code


def work(options: argparse.Namespace) -> Exit:
    """Load the job's class, then serve the coordinator."""
    spec = jobfile.JobSpec.parse(options.job)
    cls = jobfile.load(spec)
    where = address.parse(options.connect)
    require_resolvable(where)

    def load(settings: Mapping[str, Any]) -> Job:
        job = job_of(cls, settings)
        job._use_data(options.data)
        return job

    hello = Hello(
        protocol=PROTOCOL,
        role="worker",
        name=options.name,
        host=socket.gethostname(),
        pid=os.getpid(),
        nonce="",
        sources=jobfile.sources(spec),
    )
    limits = UplinkLimits(reconnect_for_s=options.reconnect_for)
    lifeline = Lifeline() if options.lifeline else None
    tell = (lambda text: None) if options.quiet else _print
    return Shell(where, hello, load, limits, tell, lifeline).run()


def _print(text: str) -> None:
    print(text, flush=True)


def leave(code: int) -> None:
    """End now: the compute thread may be inside the user's code, and nothing of it is needed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
