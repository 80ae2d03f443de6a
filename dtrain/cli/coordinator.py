"""`dtrain coordinator`: hold the weights and wait for workers."""

import json
from pathlib import Path

import click

from dtrain.cli.options import (
    check_bind,
    choose,
    data_option,
    debug_option,
    insecure_option,
    is_debug,
    job_argument,
    output_options,
    settings_options,
)


@click.command(short_help="The coordinator alone, for workers elsewhere.")
@job_argument
@click.option(
    "--bind",
    default="tcp://127.0.0.1:5700",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen, e.g. tcp://0.0.0.0:5700.",
)
@insecure_option
@settings_options
@output_options
@data_option
@debug_option
def coordinator(
    spec: str,
    bind: str,
    insecure: bool,
    assignments: tuple[str, ...],
    config: Path | None,
    run_dir: Path | None,
    as_json: bool,
    quiet: bool,
    data: Path | None,
) -> int:
    """Run the coordinator alone; it prints the command that starts workers."""
    from dtrain.launch import local
    from dtrain.rundir import RunDir

    chosen = choose(spec, assignments, config, data)
    check_bind(bind, insecure)
    made = RunDir.create(run_dir, type(chosen.job).__name__)
    flags = {"--insecure": insecure, "--json": as_json, "--quiet": quiet, "--debug": is_debug()}
    arguments = [
        *(spec, "--bind", bind, "--run-dir", str(made.path), "--hint"),
        *("--settings", json.dumps(dict(chosen.given))),
        *(("--data", str(data)) if data else ()),
        *(flag for flag, wanted in flags.items() if wanted),
    ]
    return local.coordinator(arguments, chosen.job.blas_threads, chosen.job.numerics)
