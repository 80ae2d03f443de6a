"""`dtrain check`: is the job pure, are its weights right, and what will it cost here?"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dtrain.cli.options import (
    Chosen,
    choose,
    cores,
    data_option,
    debug_option,
    job_argument,
    settings_options,
)
from dtrain.errors import JobError
from dtrain.pinned import restart_pinned

if TYPE_CHECKING:
    from dtrain.check.report import Report

WIDTH = 12  # of the column of names


@click.command(short_help="Is the job pure, are its weights right, what does it cost here?")
@job_argument
@settings_options
@data_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@debug_option
def check(
    spec: str,
    assignments: tuple[str, ...],
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Compute a leaf twice and in fresh processes, compare one leaf with many, evaluate; measure
    a leaf, an update and the sending; advise on workers and micro_batches."""
    chosen = choose(spec, assignments, config, data)
    restart_pinned(chosen.job.blas_threads, chosen.job.numerics)
    found = look(chosen)
    click.echo(json.dumps(found.to_dict()) if as_json else _table(found.lines()))
    if found.weights.verdict == "wrong":
        raise JobError(found.weights.text)
    return 0


def look(chosen: Chosen) -> "Report":
    """Everything there is to know of a job before it runs. Raises what a run of it would."""
    from dtrain.check import costs, fresh, purity, weights
    from dtrain.check.report import Report
    from dtrain.leaf import LeafComputer
    from dtrain.trainer import Trainer

    began = time.monotonic()
    job, computer = chosen.job, LeafComputer(chosen.job)
    here = fresh.observe(computer)  # before anything gives it other weights
    trainer = Trainer(computer)  # finds what is wrong with optimizer, scheduler and monitor
    took_s = time.monotonic() - began
    there = purity.in_fresh_processes(job, chosen.spec, chosen.given, took_s)
    purity.require_same([here, *there])
    evaluation, measured = costs.evaluation_of(computer), costs.measure(trainer, cores())
    return Report(
        job=type(job).__name__,
        probe=here["probe"],
        schedule=computer.schedule,
        weights=weights.compare(job, computer.train_data),
        evaluation=evaluation,
        measured=measured,
        leaf_bytes=there[1]["leaf_bytes"],
        process_bytes=there[1]["process_bytes"],
    )


def _table(lines: Mapping[str, str]) -> str:
    return "\n".join(f"{name:{WIDTH}}{text}" for name, text in lines.items())
