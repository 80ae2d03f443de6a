"""`dtrain check`: is the job pure, and what does a leaf cost?"""

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dtrain.cli.options import choose, data_option, debug_option, job_argument, settings_options
from dtrain.pinned import restart_pinned

if TYPE_CHECKING:
    from dtrain.leaf import LeafComputer
    from dtrain.probe import Probe

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of a unit of ru_maxrss


@click.command(short_help="Is the job pure, and what does a leaf cost?")
@job_argument
@settings_options
@data_option
@debug_option
def check(spec: str, assignments: tuple[str, ...], config: Path | None, data: Path | None) -> int:
    """Build the job, compute a leaf twice, evaluate a leaf, make a step; say what they cost."""
    from dtrain.leaf import LeafComputer
    from dtrain.local import take_step
    from dtrain.probe import probe
    from dtrain.trainer import Trainer

    job = choose(spec, assignments, config, data).job
    restart_pinned(job.blas_threads, job.numerics)
    computer = LeafComputer(job)
    trainer = Trainer(computer)
    lines = report(computer, probe(computer))
    step = take_step(trainer)  # on weights of its own: nothing of it is kept
    lines["step"] = f"ok: loss {step.loss:.4f}, {step.seconds:.4f} s in this process"
    for name, value in lines.items():
        click.echo(f"{name:12}{value}")
    return 0


def report(computer: "LeafComputer", probed: "Probe") -> dict[str, str]:
    """What there is to know of a job before it runs, line by line."""
    schedule, layout = computer.schedule, computer.layout
    trained = sum(p.size for p in layout.parameters if p.trainable)
    frozen = sum(p.size for p in layout.parameters) - trained
    return {
        "job": type(computer.job).__name__,
        "purity": f"ok: leaf 0 gave the same bits twice (probe {probed.hash[:12]})",
        "parameters": f"{trained:,}" + (f", and {frozen:,} frozen" if frozen else ""),
        "data": f"{schedule.samples:,} samples to train on, {schedule.eval_samples:,} to evaluate",
        "steps": f"{schedule.steps:,}, with {schedule.leaves(0)} leaves in the first",
        "leaf": f"weight {computer.train(0, 0).tail.weight:g}, {probed.seconds_per_leaf:.4f} s",
        "evaluation": _evaluation(computer),
        "memory": f"{_peak_bytes() / 2**20:.0f} MiB at most so far",
    }


def _evaluation(computer: "LeafComputer") -> str:
    leaves = computer.schedule.eval_leaves
    if not leaves:
        return "none: eval_data() gives nothing"
    from dtrain.gradsum import means

    start = time.perf_counter()
    tail = computer.evaluate(0, 0).tail
    seconds = time.perf_counter() - start
    values = ", ".join(f"{name} {value:.4f}" for name, value in means(tail).items())
    return f"{leaves} leaves, {seconds:.4f} s each; leaf 0 at the first weights: {values}"


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
