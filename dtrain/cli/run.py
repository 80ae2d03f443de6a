"""`dtrain run`: train on this host."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dtrain.cli.options import (
    Beginning,
    Chosen,
    beginning_options,
    check_bind,
    choose_run,
    cores,
    data_option,
    debug_option,
    insecure_option,
    is_debug,
    output_options,
    run_argument,
    settings_options,
    workers_option,
)
from dtrain.pinned import restart_pinned

if TYPE_CHECKING:
    from dtrain.job import Job
    from dtrain.rundir import RunDir


@click.command(short_help="Train on this host, with N workers or in one process.")
@run_argument
@workers_option
@beginning_options
@settings_options
@output_options
@data_option
@click.option("--bind", metavar="ADDRESS", help="Listen here too; a private socket by default.")
@insecure_option
@debug_option
def run(
    spec: str | None,
    workers: int | None,
    beginning: Beginning,
    assignments: tuple[str, ...],
    config: Path | None,
    run_dir: Path | None,
    as_json: bool,
    quiet: bool,
    data: Path | None,
    bind: str | None,
    insecure: bool,
) -> int:
    """Train with a coordinator and N workers on this host.

    The last line is the digest of the final weights: the same for every N.
    """
    # First: choosing a job puts its folder in front on sys.path, and a queue.py in it is not ours.
    from dtrain.launch import local  # noqa: F401

    chosen = choose_run(spec, beginning, assignments, config, data, run_dir)
    count = min(cores(), leaves_of(chosen.job)) if workers is None else workers
    if bind:
        check_bind(bind, insecure)
    if not quiet and (words := too_many(chosen.job, count)):
        click.echo(f"dtrain: {words}", err=True)
    code, _ = train_chosen(chosen, count, run_dir, Shown(as_json, quiet), Bound(bind, insecure))
    return code


@dataclass(frozen=True)
class Shown:
    """--json and --quiet."""

    json: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Bound:
    """--bind and --insecure."""

    address: str | None = None
    insecure: bool = False


def train_chosen(
    chosen: Chosen,
    workers: int,
    run_dir: Path | None,
    shown: Shown = Shown(),  # frozen
    bound: Bound = Bound(),
) -> "tuple[int, RunDir]":
    """Train with N workers, or in this process; the exit code, and the run's directory."""
    if workers == 0:
        return _alone(chosen, run_dir, shown)
    return _together(chosen, workers, run_dir, shown, bound)


def leaves_of(job: "Job") -> int:
    """Leaves of a full batch: at most micro_batches, each of as many samples as the first."""
    leaf_size = -(-job.batch_size // job.micro_batches)
    return -(-job.batch_size * job.scale_batch // leaf_size)


def too_many(job: "Job", workers: int) -> str | None:
    """What to say when some of the workers will never have a leaf."""
    leaves = leaves_of(job)
    if workers <= leaves:
        return None
    return (
        f"{workers} workers share the {leaves} leaves of a step, so {workers - leaves} will have "
        f"nothing to do; set micro_batches={workers} (that is another sum, with another digest)"
    )


def run_of(chosen: Chosen, run_dir: Path | None) -> "RunDir":
    """The directory of the run to go on with, or a new one."""
    from dtrain.rundir import RunDir

    return chosen.run or RunDir.create(run_dir, type(chosen.job).__name__)


def _alone(chosen: Chosen, run_dir: Path | None, shown: Shown) -> "tuple[int, RunDir]":
    from dtrain.training import run_in_process

    restart_pinned(chosen.job.blas_threads, chosen.job.numerics)
    made = run_of(chosen, run_dir)
    return run_in_process(chosen.job, made, chosen.start, shown.json, shown.quiet), made


def _together(
    chosen: Chosen, workers: int, run_dir: Path | None, shown: Shown, bound: Bound
) -> "tuple[int, RunDir]":
    from dtrain.launch import local
    from dtrain.rundir import RUN

    made = run_of(chosen, run_dir)
    data = chosen.job._data_dir
    plan = local.LocalRun(
        job=chosen.spec,
        workers=workers,
        run_dir=made.path,
        settings=chosen.given,
        bind=bound.address,
        insecure=bound.insecure,
        data=None if data is None else str(data),
        start=chosen.start,
        json=shown.json,
        quiet=shown.quiet,
        debug=is_debug(),
    )
    try:
        return local.run(plan), made
    finally:
        if not (made.path / RUN).exists():
            made.discard()  # the coordinator could not start, and has said why
