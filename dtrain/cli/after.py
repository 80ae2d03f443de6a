"""`dtrain eval` and `dtrain reproduce`: what a run is worth, and whether it comes out again."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dtrain.cli.options import Chosen, cores, data_option, debug_option, workers_option
from dtrain.errors import RunDirError, RunError
from dtrain.pinned import restart_pinned

if TYPE_CHECKING:
    from dtrain.loading import Again

RUN_ARGUMENT = click.argument("run", metavar="RUN_DIR", type=click.Path(path_type=Path))


@click.command(name="eval", short_help="Evaluate the weights of a run.")
@RUN_ARGUMENT
@click.option(
    "--which",
    default="final",
    show_default=True,
    metavar="final|best|ema|STEP",
    help="The last weights, the best checkpoint, the average, or the checkpoint after STEP steps.",
)
@data_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@debug_option
def evaluate(run: Path, which: str, data: Path | None, as_json: bool) -> int:
    """Evaluate the weights of a run on its job's eval_data, in this process."""
    from dtrain.loading import job_of_run, weights_of
    from dtrain.local import evaluate_weights
    from dtrain.resume import find
    from dtrain.rundir import FINAL, plain

    directory = find(run)
    weights, steps = weights_of(directory, int(which) if which.isdecimal() else which)
    if which in ("final", "ema") and not (directory.path / FINAL).is_file():
        click.echo(
            f"dtrain: {run} has not ended: these are the weights of its newest checkpoint, after "
            f"{steps} steps",
            err=True,
        )
    job = job_of_run(directory)
    job._use_data(data)
    restart_pinned(job.blas_threads, job.numerics)
    metrics = evaluate_weights(job, weights, steps)
    if as_json:
        click.echo(json.dumps(plain({"which": which, "steps": steps, "eval": metrics})))
    else:
        for name, value in metrics.items():
            click.echo(f"{name} {value:.6g}")
    return 0


@click.command(short_help="Train a run again, and compare the digests.")
@RUN_ARGUMENT
@workers_option
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the new run is written; by default below the old one, in reproduced/.",
)
@data_option
@debug_option
def reproduce(run: Path, workers: int | None, run_dir: Path | None, data: Path | None) -> int:
    """Train again what a run has trained, from the copies of its job's files, and compare.

    Without interruption, whatever interrupted the run. One that was resumed as another, with
    --allow-change or --allow-drift, or under a plan that had grown, cannot be made in one go.
    """
    from dtrain.cli.run import leaves_of, train_chosen
    from dtrain.loading import again
    from dtrain.resume import find
    from dtrain.rundir import new_folder

    directory = find(run)
    old = again(directory)
    old.job._use_data(data)
    count = min(cores(), leaves_of(old.job)) if workers is None else workers
    chosen = Chosen(old.spec, old.job.settings(), old.job, old.start)
    if run_dir is None:
        if count == 0:
            restart_pinned(old.job.blas_threads, old.job.numerics)
        run_dir = new_folder(directory.path / "reproduced", "run")
    code, new = train_chosen(chosen, count, run_dir)
    return code or _compared(run, old, new.read_run().get("result") or {}, new.path)


def _compared(run: Path, old: "Again", result: dict[str, Any], new: Path) -> int:
    digest = result.get("digest")
    if digest is None:
        raise RunDirError(f"{new}: the run has no digest")
    if result["steps"] != old.steps:
        raise RunError(
            f"not reproduced: {run} made {old.steps} steps, {new} was over after {result['steps']}"
        )
    if digest != old.digest:
        raise RunError(
            f"not reproduced: {run} has digest {old.digest}, {new} has {digest}; "
            + "; ".join([*old.doubts, "compare the two run.json: fingerprint, versions, data"])
        )
    click.echo(f"reproduced {run}: {result['steps']} steps, the same digest")
    return 0
