"""A run in one process: fold the tree over the leaves, apply the root. The oracle of the service.

No socket, no ledger, no thread; a debugger steps through it.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dtrain.errors import JobError, NonFiniteError, RunError, UserError
from dtrain.gradsum import TailSum
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.numerics import fingerprint
from dtrain.opening import blamed, end_state, finish, open_run, run_info
from dtrain.probe import probe
from dtrain.recorder import Recorder
from dtrain.records import StepRecord
from dtrain.resume import Resumption, require_fitting
from dtrain.saver import Saver
from dtrain.trainer import Trainer
from dtrain.tree import fold, root


def train_local(
    job: Job,
    recorder: Recorder,
    spec: str | None = None,
    sources: Mapping[str, str] | None = None,
    resumption: Resumption | None = None,
) -> Trainer:
    """Train to the end, or until the recorder wants to stop; returns the trainer.

    spec, sources: where the job was read from, for run.json
    resumption: the run to go on with, or weights to begin with
    Raises what LeafComputer, Trainer, probe and `resume` do; once the run has started LeafError,
    NonFiniteError, and RunError for any other mistake of the job's. Such a run is recorded as
    failed, with the weights of the last step that was committed.
    """
    computer = LeafComputer(job)
    trainer = Trainer(computer)
    resumption = resumption or Resumption()
    table = fingerprint()
    info = run_info(computer, probe(computer).hash, table, resumption)
    open_run(trainer, recorder, replace(info, spec=spec, sources=sources or {}), resumption)
    saver = Saver(trainer, recorder)
    try:
        reason = _take_steps(trainer, recorder, saver)
    except BaseException as error:
        error = _with_leaf(trainer, error)
        finish(trainer, recorder, saver, "failed", str(error) or type(error).__name__)
        if isinstance(error, UserError):  # work had started: no mistake to mend, a failed run
            raise RunError(str(error)) from error
        raise error
    failure = finish(trainer, recorder, saver, end_state(trainer, reason))
    if failure is not None:
        raise RunError(failure)
    return trainer


def _take_steps(trainer: Trainer, recorder: Recorder, saver: Saver) -> str | None:
    """All steps and evaluations, or until somebody wants to stop; returns why."""
    schedule = trainer.computer.schedule
    while trainer.version < schedule.steps or not trainer.evaluated:
        if trainer.evaluated:
            recorder.step(take_step(trainer))
        saver.settled(is_best=not trainer.evaluated and evaluate_now(trainer, recorder))
        reason = trainer.stop_reason or saver.failed or recorder.stop_requested()
        if reason is not None:
            return reason
    return None


def _with_leaf(trainer: Trainer, error: BaseException) -> BaseException:
    return blamed(trainer, error) if isinstance(error, NonFiniteError) else error


def evaluate_now(trainer: Trainer, recorder: Recorder) -> bool:
    """The evaluation that is due; whether it is the best so far."""
    step = trainer.version - 1
    metrics, is_best = trainer.evaluate(evaluate(trainer.computer, step))
    recorder.evaluated(step, metrics, trainer.digest())
    return is_best


def take_step(trainer: Trainer) -> StepRecord:
    """One step: its leaves, their sum, the update."""
    computer, step = trainer.computer, trainer.version
    began = time.perf_counter()
    leaves = computer.schedule.leaves(step)
    total = fold(root(leaves), leaves, lambda leaf: computer.train(step, leaf))
    summed = time.perf_counter()
    for index, part in enumerate(total.parts):
        trainer.apply(index, part)
    outcome = trainer.commit()
    ended = time.perf_counter()
    phases = {"compute": summed - began, "optimizer": ended - summed}
    return StepRecord.of(outcome, ended - began, workers=0, phases=phases)


def evaluate(computer: LeafComputer, step: int) -> TailSum:
    """The root of the evaluation of the bound weights, which step `step` made."""
    leaves = computer.schedule.eval_leaves
    return fold(root(leaves), leaves, lambda leaf: computer.evaluate(step, leaf)).tail


def evaluate_weights(job: Job, weights: Mapping[str, Any], steps: int) -> dict[str, float]:
    """The metrics of given weights, by the names of `state_dict`, on the job's evaluation data.

    The same bits as the evaluation of a run after that many steps. Raises JobError for a job
    without evaluation data, RunDirError for weights of another model.
    """
    trainer = Trainer(LeafComputer(job))
    if not trainer.computer.schedule.eval_samples:
        raise JobError(f"{type(job).__name__}.eval_data gives nothing to evaluate on")
    require_fitting(trainer, weights, "the weights")
    trainer.load_weights(weights)
    return trainer.metrics(evaluate(trainer.computer, max(steps - 1, 0)))
