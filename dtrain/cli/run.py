"""`dtrain run`: train on this host."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dtrain.cli.options import (
    Chosen,
    check_bind,
    choose,
    cores,
    data_option,
    debug_option,
    insecure_option,
    is_debug,
    job_argument,
    output_options,
    settings_options,
)
from dtrain.pinned import restart_pinned

if TYPE_CHECKING:
    from dtrain.job import Job


@click.command(short_help="Train on this host, with N workers or in one process.")
@job_argument
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    metavar="N",
    help="Worker processes; 0: in this process. By default one a core, at most one a leaf.",
)
@settings_options
@output_options
@data_option
@click.option("--bind", metavar="ADDRESS", help="Listen here too; a private socket by default.")
@insecure_option
@debug_option
def run(
    spec: str,
    workers: int | None,
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

    chosen = choose(spec, assignments, config, data)
    count = min(cores(), leaves_of(chosen.job)) if workers is None else workers
    if bind:
        check_bind(bind, insecure)
    if count == 0:
        return _alone(chosen, run_dir, as_json, quiet)
    if not quiet and (words := too_many(chosen.job, count)):
        click.echo(f"dtrain: {words}", err=True)
    return _together(chosen, count, run_dir, as_json, quiet, data, bind, insecure)


def leaves_of(job: "Job") -> int:
    """Leaves of a full batch: at most micro_batches, each of as many samples as the first."""
    leaf_size = -(-job.batch_size // job.micro_batches)
    return -(-job.batch_size // leaf_size)


def too_many(job: "Job", workers: int) -> str | None:
    """What to say when some of the workers will never have a leaf."""
    leaves = leaves_of(job)
    if workers <= leaves:
        return None
    return (
        f"{workers} workers share the {leaves} leaves of a step, so {workers - leaves} will have "
        f"nothing to do; set micro_batches={workers} (that is another sum, with another digest)"
    )


def _alone(chosen: Chosen, run_dir: Path | None, as_json: bool, quiet: bool) -> int:
    from dtrain.training import run_in_process

    restart_pinned(chosen.job.blas_threads, chosen.job.numerics)
    return run_in_process(chosen.job, run_dir=run_dir, json=as_json, quiet=quiet)


def _together(
    chosen: Chosen,
    workers: int,
    run_dir: Path | None,
    as_json: bool,
    quiet: bool,
    data: Path | None,
    bind: str | None,
    insecure: bool,
) -> int:
    from dtrain.launch import local
    from dtrain.rundir import RUN, RunDir

    made = RunDir.create(run_dir, type(chosen.job).__name__)
    plan = local.LocalRun(
        job=chosen.spec,
        workers=workers,
        run_dir=made.path,
        settings=chosen.given,
        bind=bind,
        insecure=insecure,
        data=None if data is None else str(data),
        json=as_json,
        quiet=quiet,
        debug=is_debug(),
    )
    try:
        return local.run(plan)
    finally:
        if not (made.path / RUN).exists():
            made.discard()  # the coordinator could not start, and has said why
