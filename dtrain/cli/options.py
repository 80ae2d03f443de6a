"""Options that several commands share, and the job that they describe."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from dtrain.job import Job

DEBUG = "dtrain.debug"
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Chosen:
    """A job as the command line describes it, its settings checked."""

    spec: str  # JOB.py, JOB.py:Class or package.module:Class
    given: Mapping[str, Any]  # the settings that --config and --set gave
    job: "Job"


def choose(
    spec: str,
    assignments: tuple[str, ...] = (),
    config: Path | None = None,
    data: Path | None = None,
) -> Chosen:
    """The job of a file, with the settings of --config and then of --set.

    Raises JobError and SettingError.
    """
    from dtrain import checked, jobfile, settings

    cls = jobfile.load(jobfile.JobSpec.parse(spec))
    given = settings.read_config(cls, config) if config else {}
    given |= settings.parse(cls, assignments)
    job = checked.job_of(cls, given)
    job._use_data(data)
    return Chosen(spec, given, job)


def check_bind(text: str, insecure: bool) -> None:
    """Raises AddressError for an address that cannot be read, is not safe or is taken."""
    import zmq

    from dtrain.wire import address, sockets

    where = address.parse(text)
    address.require_safe_bind(where, insecure)
    if where.transport == "ipc":
        sockets.require_free_path(where)  # to bind and close again would delete the path
        return
    context: zmq.Context[Any] = zmq.Context()
    try:
        router, _ = sockets.bind_router(context, where)
        router.close(linger=0)
    finally:
        context.term()  # the address is free again


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def job_argument(command: Command) -> Command:
    """JOB.py."""
    return click.argument("spec", metavar="JOB.py[:CLASS]")(command)


def data_option(command: Command) -> Command:
    """--data, of every command that computes."""
    words = "Folder of the data; DTRAIN_DATA by default."
    return click.option("--data", type=FOLDER, metavar="DIR", help=words)(command)


def settings_options(command: Command) -> Command:
    """--set and --config."""
    command = click.option(
        *("--set", "assignments"),
        multiple=True,
        metavar="NAME=VALUE",
        help="Change a setting of the job; may be given many times.",
    )(command)
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE.toml",
        help="Settings from a file; --set goes before it.",
    )(command)


def output_options(command: Command) -> Command:
    """--run-dir, --json and --quiet."""
    command = click.option("--quiet", is_flag=True, help="Only the result.")(command)
    command = click.option(
        *("--json", "as_json"), is_flag=True, help="The last line is one JSON object."
    )(command)
    return click.option(
        "--run-dir",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where to write; runs/NAME-TIME by default, never overwritten.",
    )(command)


def insecure_option(command: Command) -> Command:
    """--insecure, of commands that bind."""
    words = "Bind an address that other hosts reach, on a network that you trust."
    return click.option("--insecure", is_flag=True, help=words)(command)


def debug_option(command: Command) -> Command:
    """--debug, before or after the command's name."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_remember_debug,
        help="Show Python tracebacks.",
    )(command)


def is_debug() -> bool:
    """Whether --debug was given anywhere."""
    return bool(click.get_current_context().meta.get(DEBUG))


def _remember_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta[DEBUG] = value or context.meta.get(DEBUG, False)
