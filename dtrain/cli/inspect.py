"""`dtrain status`, `stop` and `digest`: what a run does, and what came of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from dtrain.errors import RunDirError, RunError

OVER = ("finished", "stopped", "failed")


@click.command(short_help="The digest of a run's final weights, computed again.")
@click.argument("run", metavar="RUN_DIR", type=click.Path(path_type=Path))
def digest(run: Path) -> int:
    """Compute the digest of a run's final weights again and compare it with the recorded one."""
    from dtrain.digest import digest as digest_of
    from dtrain.rundir import RunDir

    run = Path(_named(str(run)))
    run_dir = RunDir.existing(run)
    record = run_dir.read_run()
    recorded = (record.get("result") or {}).get("digest")
    if recorded is None:
        state = (_result_of(str(run)) or record)["state"]
        raise RunDirError(f"{run}: its state is '{state}', there is no digest yet")
    try:
        found = digest_of(run_dir.read_final().weights)
    except RunDirError as error:  # what was to be verified failed: no mistake in the command
        raise RunError(str(error)) from None
    if found != recorded:
        raise RunError(
            f"{run}: final.safetensors has digest {found}, but run.json says {recorded}; "
            "one of the two was changed after the run"
        )
    click.echo(f"digest {found}")
    return 0


@click.command(short_help="What a run does, or how it ended.")
@click.argument("target", metavar="RUN_DIR|HOST:PORT")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(target: str, as_json: bool) -> int:
    """Show who takes part in a run, its step, and what it waits for; or how it ended."""
    from dtrain.wire.ask import ask

    target = _named(target)
    over = _result_of(target)
    answer = ask(target, "status") if over is None else over
    click.echo(json.dumps(answer) if as_json else "\n".join(_lines(answer)))
    return 0


@click.command(short_help="End a run after the step under way.")
@click.argument("target", metavar="RUN_DIR|HOST:PORT")
def stop(target: str) -> int:
    """End a run after the step under way; its weights are written."""
    from dtrain.wire.ask import ask

    answer = ask(_going_on(target), "stop")
    click.echo(f"stopping after {answer['step'] + 1} of {answer['steps']} steps")
    return 0


@click.command(short_help="Write a checkpoint now.")
@click.argument("target", metavar="RUN_DIR|HOST:PORT")
def checkpoint(target: str) -> int:
    """Ask a run to write a checkpoint after the step under way."""
    from dtrain.wire.ask import ask

    answer = ask(_going_on(target), "checkpoint")
    click.echo(f"a checkpoint comes after {answer['step'] + 1} of {answer['steps']} steps")
    return 0


def _named(target: str) -> str:
    """A run directory or an address; "last" is the newest run."""
    from dtrain.resume import find

    return str(find(target).path) if target == "last" else target


def _going_on(target: str) -> str:
    """The same of a run that can be asked. Raises RunDirError for one that is over."""
    target = _named(target)
    over = _result_of(target)
    if over is not None:
        raise RunDirError(f"{target}: this run is over already, its state is {over['state']}")
    return target


def _result_of(target: str) -> dict[str, Any] | None:
    """How the run of a run directory ended; None for an address, or if it has not ended."""
    from dtrain.checkpoint import Checkpoints, version_of
    from dtrain.rundir import RunDir

    if not Path(target).is_dir():
        return None
    directory = RunDir.existing(target)
    run = directory.read_run()
    if run.get("state") in OVER:
        return {"state": run["state"], **(run.get("result") or {})}
    if directory.is_live():
        return None
    steps = [version_of(path) for path in Checkpoints(directory.path).all()]
    return {
        "state": "gone: its process ended without a word",
        "newest checkpoint": f"after {steps[0]} steps" if steps else "none",
        "to go on": f"dtrain run --resume {target}",
    }


def _lines(answer: Mapping[str, Any]) -> list[str]:
    """A status for people: one line for each entry, one for each worker."""
    width = max(len(name) for name in answer)
    workers = answer.get("workers")
    table = {name: value for name, value in answer.items() if not isinstance(value, list)}
    lines = [f"{name.replace('_', ' '):{width}}  {_words(value)}" for name, value in table.items()]
    if isinstance(workers, list):
        lines += [f"{'worker':{width}}  {_words(worker)}" for worker in workers]
    return lines


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{name} {_words(item)}" for name, item in value.items() if item != "")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
