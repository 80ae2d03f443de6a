"""`dtrain worker`: workers for a coordinator, here or on another host."""

import math
import re
from pathlib import Path

import click

from dtrain.cli.options import cores, data_option, debug_option, is_debug, job_argument

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(_: click.Context, __: click.Parameter, text: str) -> float:
    """30s, 10m, 2h or forever, in seconds."""
    if text == "forever":
        return math.inf
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no duration; write 30s, 10m, 2h or forever")
    return float(match[1]) * SECONDS[match[2]]


def count(_: click.Context, __: click.Parameter, text: str) -> int:
    """A number of workers from 1 on, or auto: one a core."""
    if text == "auto":
        return cores()
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter(f"{text!r} is neither auto nor a number from 1 on")
    return int(text)


@click.command(short_help="Workers for a coordinator, any number, at any time.")
@job_argument
@click.option(
    "--connect", required=True, metavar="HOST[:5700]", help="Where the coordinator listens."
)
@click.option(
    "--workers",
    callback=count,
    default="auto",
    show_default=True,
    metavar="auto|N",
    help="How many; auto: one a core.",
)
@data_option
@click.option(
    "--reconnect-for",
    callback=seconds,
    default="10m",
    show_default=True,
    metavar="10m|forever",
    help="How long to go on dialling a coordinator that does not answer.",
)
@debug_option
def worker(spec: str, connect: str, workers: int, data: Path | None, reconnect_for: float) -> int:
    """Join a coordinator with workers: any number, at any time.

    The job and its data are here too; no code crosses the network.
    """
    from dtrain import jobfile
    from dtrain.launch import local
    from dtrain.wire import address

    jobfile.load(jobfile.JobSpec.parse(spec))  # a mistake in it is told once, not by each worker
    address.parse(connect)
    options = [
        *("--reconnect-for", str(reconnect_for)),
        *(("--data", str(data)) if data else ()),
        *(("--debug",) if is_debug() else ()),
    ]
    return local.workers(spec, connect, workers, options)
