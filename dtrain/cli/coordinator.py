"""`dtrain coordinator`: hold the weights and wait for workers."""

import json
from pathlib import Path

import click

from dtrain.cli.options import (
    Beginning,
    beginning_options,
    check_bind,
    choose_run,
    data_option,
    debug_option,
    insecure_option,
    is_debug,
    output_options,
    run_argument,
    settings_options,
)
from dtrain.cli.run import run_of


@click.command(short_help="The coordinator alone, for workers elsewhere.")
@run_argument
@click.option(
    "--bind",
    default="tcp://127.0.0.1:5700",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen, e.g. tcp://0.0.0.0:5700.",
)
@insecure_option
@beginning_options
@settings_options
@output_options
@data_option
@debug_option
def coordinator(
    spec: str | None,
    bind: str,
    insecure: bool,
    beginning: Beginning,
    assignments: tuple[str, ...],
    config: Path | None,
    run_dir: Path | None,
    as_json: bool,
    quiet: bool,
    data: Path | None,
) -> int:
    """Run the coordinator alone; it prints the command that starts workers."""
    from dtrain.launch import local

    chosen = choose_run(spec, beginning, assignments, config, data, run_dir)
    check_bind(bind, insecure)
    made = run_of(chosen, run_dir)
    flags = {"--insecure": insecure, "--json": as_json, "--quiet": quiet, "--debug": is_debug()}
    arguments = [
        *(chosen.spec, "--bind", bind, "--run-dir", str(made.path), "--hint"),
        *("--settings", json.dumps(dict(chosen.given))),
        *(("--data", str(data)) if data else ()),
        *beginning.start().options(),
        *(flag for flag, wanted in flags.items() if wanted),
    ]
    return local.coordinator(arguments, chosen.job.blas_threads, chosen.job.numerics)
