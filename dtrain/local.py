"""A run in one process: fold the tree over the leaves, apply the root. The oracle of the service.

No socket, no ledger, no thread; a debugger steps through it.
"""

import time
from collections.abc import Mapping

from dtrain.errors import RunError, UserError
from dtrain.gradsum import TailSum
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.numerics import fingerprint
from dtrain.probe import probe
from dtrain.recorder import MAX_SECONDS, Recorder, RunInfo, State, StepRecord
from dtrain.trainer import Trainer
from dtrain.tree import fold, root


def train_local(
    job: Job, recorder: Recorder, spec: str | None = None, sources: Mapping[str, str] | None = None
) -> Trainer:
    """Train to the end, or until the recorder wants to stop; returns the trainer.

    spec, sources: where the job was read from, for run.json
    Raises what LeafComputer, Trainer and probe do; once the run has started LeafError,
    NonFiniteError, and RunError for any other mistake of the job's. Such a run is recorded as
    failed, with the weights of the last step that was committed.
    """
    computer = LeafComputer(job)
    trainer = Trainer(computer)
    recorder.started(_info(computer, probe(computer).hash, spec, sources or {}))
    try:
        reason = _take_steps(trainer, recorder)
    except BaseException as error:
        computer.bind(computer.vectors, computer.buffers)  # whatever a leaf had put in their place
        _finish(trainer, recorder, "failed", str(error) or type(error).__name__)
        if isinstance(error, UserError):  # work had started: no mistake to mend, a failed run
            raise RunError(str(error)) from error
        raise
    is_done = trainer.version == computer.schedule.steps or reason == MAX_SECONDS
    _finish(trainer, recorder, "finished" if is_done else "stopped")
    return trainer


def _take_steps(trainer: Trainer, recorder: Recorder) -> str | None:
    """All steps and evaluations, or until the recorder wants to stop; returns why it does."""
    computer = trainer.computer
    for step in range(computer.schedule.steps):
        recorder.step(take_step(trainer))
        if computer.schedule.evaluates_after(step):
            metrics = trainer.metrics(evaluate(computer, step))
            recorder.evaluated(step, metrics, trainer.digest())
        reason = recorder.stop_requested()
        if reason is not None:
            return reason
    return None


def _finish(trainer: Trainer, recorder: Recorder, state: State, error: str | None = None) -> None:
    recorder.finished(
        state, trainer.digest(), trainer.state_dict(), steps=trainer.version, error=error
    )


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
    return StepRecord(
        step=step,
        epoch=outcome.epoch,
        loss=outcome.loss,
        weight=outcome.weight,
        lr=outcome.lr,
        seconds=ended - began,
        samples=outcome.samples,
        workers=0,
        phases={"compute": summed - began, "optimizer": ended - summed},
        logs=outcome.logs,
    )


def evaluate(computer: LeafComputer, step: int) -> TailSum:
    """The root of the evaluation of the bound weights, which step `step` made."""
    leaves = computer.schedule.eval_leaves
    return fold(root(leaves), leaves, lambda leaf: computer.evaluate(step, leaf)).tail


def _info(
    computer: LeafComputer, probe_hash: str, spec: str | None, sources: Mapping[str, str]
) -> RunInfo:
    job = computer.job
    return RunInfo(
        job=type(job).__name__,
        settings=job.settings(),
        steps=computer.schedule.steps,
        parameters=sum(parameter.size for parameter in computer.layout.parameters),
        workers=0,
        fingerprint=fingerprint(),
        probe=probe_hash,
        spec=spec,
        sources=sources,
    )
