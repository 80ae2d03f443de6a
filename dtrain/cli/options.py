"""Options that several commands share, and the job that they describe."""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from dtrain.errors import JobError

if TYPE_CHECKING:
    from dtrain.job import Job
    from dtrain.resume import Start
    from dtrain.rundir import RunDir

DEBUG = "dtrain.debug"
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Chosen:
    """A job as the command line describes it, its settings checked; and how its run begins."""

    spec: str  # JOB.py, JOB.py:Class or package.module:Class
    given: Mapping[str, Any]  # the settings that --config and --set gave; of a resumed run all
    job: "Job"
    start: "Start"
    run: "RunDir | None" = None  # to go on with


@dataclass(frozen=True)
class Beginning:
    """--resume, --init, --allow-change, --allow-drift and --scale-batch, as they were given."""

    resume: str | None
    init: Path | None
    allow_change: tuple[str, ...]
    allow_drift: bool
    scale_batch: int | None
    stop_after: int | None

    def start(self) -> "Start":
        """What a run needs to know of it."""
        from dtrain.resume import Start

        is_resumed = self.resume is not None
        return Start(is_resumed, self.init, self.allow_change, self.allow_drift, self.stop_after)


def choose(
    spec: str,
    assignments: tuple[str, ...] = (),
    config: Path | None = None,
    data: Path | None = None,
) -> Chosen:
    """The job of a file, with the settings of --config and then of --set.

    Raises JobError and SettingError.
    """
    from dtrain import checked, jobfile
    from dtrain.resume import Start

    cls = jobfile.load(jobfile.JobSpec.parse(spec))
    given = _given(cls, assignments, config)
    job = checked.job_of(cls, given)
    job._use_data(data)
    return Chosen(spec, given, job, Start())


def choose_run(
    spec: str | None,
    beginning: Beginning,
    assignments: tuple[str, ...],
    config: Path | None,
    data: Path | None,
    run_dir: Path | None,
) -> Chosen:
    """The same for a run, which may be one to go on with: then its settings are the run's own,
    changed as far as they may, and its job's file, if none is named.

    Raises UserError.
    """
    from dtrain import checked, jobfile, resume
    from dtrain.training import require_one_start

    require_one_start(beginning.resume, beginning.init, run_dir)
    if beginning.init is not None:
        resume.read_weights(beginning.init)  # no weights: a mistake to be told before work starts
    run = None if beginning.resume is None else resume.find(beginning.resume)
    record = {} if run is None else run.read_run()
    if spec is None and run is not None:
        spec = _recorded_spec(run, record)
    if spec is None:
        raise JobError(f"say which job: {jobfile.FORMS}; see dtrain run --help")
    cls = jobfile.load(jobfile.JobSpec.parse(spec))
    given = _given(cls, assignments, config)
    if beginning.scale_batch is not None:
        given["scale_batch"] = beginning.scale_batch
    if run is not None:
        given = resume.merged(cls, record.get("settings", {}), given)
    job = checked.job_of(cls, given)
    job._use_data(data)
    return Chosen(spec, given, job, beginning.start(), run)


def _recorded_spec(run: "RunDir", record: Mapping[str, Any]) -> str | None:
    """Where a run's job was, which must be there still: the copies in the run directory would hide
    what has changed since. Raises JobError."""
    from dtrain import jobfile

    if record.get("spec") is None:
        return None
    spec = jobfile.JobSpec.parse(record["spec"])
    if spec.is_file and not Path(spec.place).exists():
        where = "" if Path(spec.place).is_absolute() else f" in {Path.cwd()}"
        here = jobfile.JobSpec(f"PATH/{Path(spec.place).name}", spec.name)
        raise JobError(
            f"there is no file {spec.place}{where}: the run began in another folder, or the file "
            f"was moved; name the job: dtrain run {here} --resume {run.path}"
        )
    return str(spec)


def _given(cls: "type[Job]", assignments: tuple[str, ...], config: Path | None) -> dict[str, Any]:
    from dtrain import settings

    given = settings.read_config(cls, config) if config else {}
    return given | settings.parse(cls, assignments)


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


def run_argument(command: Command) -> Command:
    """JOB.py, which a run that is resumed knows itself."""
    return click.argument("spec", metavar="JOB.py[:CLASS]", required=False)(command)


def beginning_options(command: Command) -> Command:
    """--resume, --init and what goes with them; the command gets one `beginning`."""

    @functools.wraps(command)
    def gathered(
        *args: Any,
        resume: str | None,
        init: Path | None,
        allow_change: tuple[str, ...],
        allow_drift: bool,
        scale_batch: int | None,
        stop_after: int | None,
        **kwargs: Any,
    ) -> Any:
        beginning = Beginning(resume, init, allow_change, allow_drift, scale_batch, stop_after)
        return command(*args, beginning=beginning, **kwargs)

    options = [
        click.option(
            "--resume",
            metavar="RUN_DIR|last",
            help="Go on with a run, with any number of workers; last: the newest in runs/.",
        ),
        click.option(
            "--init",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE.safetensors",
            help="Begin with these weights, such as a PyTorch model's.",
        ),
        click.option(
            "--allow-change",
            multiple=True,
            type=click.Choice(["job", "model", "data"]),
            help="Resume although this is not as it was; may be given many times.",
        ),
        click.option(
            "--allow-drift",
            is_flag=True,
            help="Accept hosts whose arithmetic differs; the digest may be another one.",
        ),
        click.option(
            "--scale-batch",
            type=click.IntRange(min=1),
            metavar="N",
            help="N times the batch in N times the leaves, and the rates that go with it.",
        ),
        click.option(
            "--stop-after",
            type=click.IntRange(min=1),
            metavar="STEPS",
            help="Stop after these steps in all; what was planned, and schedules, stay.",
        ),
    ]
    for option in reversed(options):
        gathered = option(gathered)
    return cast(Command, gathered)


def workers_option(command: Command) -> Command:
    """--workers, of commands that train on this host."""
    return click.option(
        "--workers",
        type=click.IntRange(min=0),
        metavar="N",
        help="Worker processes; 0: in this process. By default one a core, at most one a leaf.",
    )(command)


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
