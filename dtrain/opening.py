"""The beginning and the end of a run, which one process and a coordinator have in common."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dtrain.checkpoint import Checkpoints
from dtrain.errors import DtrainError, NonFiniteError, RunDirError, RunError
from dtrain.gradsum import ChunkSum
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.numerics import explain_difference
from dtrain.recorder import MAX_SECONDS, Recorder, State
from dtrain.records import RunInfo
from dtrain.resume import Resumption, merged, require_same, restore
from dtrain.rundir import RunDir
from dtrain.saver import Saver
from dtrain.trainer import Trainer


def run_info(
    computer: LeafComputer, probe_hash: str, fingerprint: Mapping[str, str], resumption: Resumption
) -> RunInfo:
    """What run.json says from the start, in one process; others have more to say."""
    job = computer.job
    return RunInfo(
        job=type(job).__name__,
        settings=job.settings(),
        steps=computer.schedule.steps,
        parameters=sum(parameter.size for parameter in computer.layout.parameters),
        workers=0,
        fingerprint=fingerprint,
        probe=probe_hash,
        layout=computer.layout.hash(),
        data=computer.data_identity,
        term=resumption.term,
        resumed=_resumed(job, resumption) if resumption.is_resumed else None,
    )


def _resumed(job: Job, resumption: Resumption) -> dict[str, Any]:
    """What run.json says of a resume."""
    before, now = resumption.record["settings"], job.settings()
    changed = {n: [before[n], now[n]] for n in now if n in before and before[n] != now[n]}
    return {
        "term": resumption.term,
        "step": resumption.version,
        "changed": changed,
        "allowed": sorted(resumption.allowed),
    }


def open_run(trainer: Trainer, recorder: Recorder, info: RunInfo, resumption: Resumption) -> None:
    """Bring the trainer to where the run begins or goes on, and write that down.

    Raises RunDirError for a run that is another one now, or has nothing left to do, and
    SettingError for a setting that may not change after all.
    """
    job = trainer.computer.job
    trainer.stop_after = resumption.stop_after
    if resumption.is_resumed:
        watched = trainer.rates.wants_metric
        merged(type(job), resumption.record["settings"], job.settings(), watched)
        now = {
            "sources": info.sources,
            "data": info.data,
            "layout": info.layout,
            "fingerprint": info.fingerprint,
            "probe": info.probe,
        }
        require_same(resumption, now, explain_difference)
    notes = restore(trainer, resumption)
    if recorder.run_dir is not None and resumption.is_resumed:
        _require_more(trainer)
        if resumption.record.get("steps") != info.steps:
            trainer.rates.require_able(trainer.version)
        notes += _take_back(trainer, recorder.run_dir, resumption)
    elif recorder.run_dir is not None and resumption.init is not None:
        recorder.run_dir.write_init(trainer.state_dict())
    recorder.started(info)
    for note in notes:
        recorder.event("note", note)
    if trainer.rates.growth.batch > 1:
        recorder.event("note", _growth(trainer))
    if resumption.is_resumed:
        text = f"resumed at step {trainer.version} of {info.steps}, term {info.term}"
        recorder.event("resumed", text, step=trainer.version, term=info.term)


def finish(
    trainer: Trainer,
    recorder: Recorder,
    saver: Saver,
    state: State,
    error: str | None = None,
) -> str | None:
    """Checkpoint, weights, digest and result of a run that is over, however it went.

    Returns why it has failed, if only here: a checkpoint or the weights could not be written, or a
    callback raised.
    """
    trainer.bind()
    exhausted = trainer.monitor.is_exhausted
    if state == "finished" and exhausted is not None:
        recorder.event("early-stop", exhausted)
    failure = None
    try:
        saver.finish()
    except DtrainError as raised:  # of the job's on_checkpoint
        failure = str(raised)
    failure = failure or saver.failed
    try:
        recorder.finished(
            state if failure is None else "failed",
            trainer.digest(),
            trainer.state_dict(),
            steps=trainer.version,
            error=error or failure,
            average=trainer.average_state_dict(),
        )
    except RunError as raised:
        failure = str(raised)
    return failure


def end_state(trainer: Trainer, reason: str | None) -> State:
    """How run.json calls the end of a run that did not fail."""
    is_whole = trainer.version == trainer.computer.schedule.steps and trainer.evaluated
    is_enough = reason is not None and reason in (MAX_SECONDS, trainer.monitor.is_exhausted)
    return "finished" if is_whole or is_enough else "stopped"


def blamed(trainer: Trainer, error: NonFiniteError) -> NonFiniteError:
    """The same error with the first leaf whose gradient is not finite: found by computing them all
    again. Without one where only their sum is not."""
    computer = trainer.computer
    trainer.bind()
    for leaf in range(computer.schedule.leaves(error.step)):
        try:
            value = computer.train(error.step, leaf)
        except DtrainError:
            return error
        chunks = [part for part in value.parts if isinstance(part, ChunkSum)]
        if not all(np.isfinite(part.grad).all() for part in chunks):
            return NonFiniteError(error.step, error.parameter, leaf)
    return error


def _take_back(trainer: Trainer, run_dir: RunDir, resumption: Resumption) -> list[str]:
    """Make the run's files those of the moment that it goes on from; what is to be said of that."""
    Checkpoints(run_dir.path).put_aside(resumption.damaged)
    run_dir.remove_final()
    lost = run_dir.cut_metrics(trainer.version, trainer.evaluated)
    notes = [f"{lost} damaged lines of metrics.jsonl are lost"] if lost else []
    before = resumption.record.get("steps")
    steps = trainer.computer.schedule.steps
    if before not in (None, steps) and trainer.rates.scheduler is not None:
        notes.append(
            f"the plan grew from {before} to {steps} steps: the schedule goes on with what it had "
            "of the old plan, and with lr_scheduler's functions of the new one; look at its rates"
        )
    return notes


def _require_more(trainer: Trainer) -> None:
    steps = trainer.computer.schedule.steps
    exhausted = trainer.monitor.is_exhausted
    if trainer.evaluated and exhausted is not None:
        raise RunDirError(f"this run has ended: {exhausted}; go on with a larger patience")
    if trainer.stop_reason is not None:
        raise RunDirError(f"this run has made {trainer.version} steps already; --stop-after more")
    if trainer.version >= steps and trainer.evaluated:
        raise RunDirError(
            f"this run has made all its {steps} steps; go on with more: --set epochs=..., or "
            "--set max_steps=..., where it has one"
        )


def _growth(trainer: Trainer) -> str:
    """What --scale-batch has changed."""
    job, growth = trainer.computer.job, trainer.rates.growth
    n = growth.batch
    kind = type(trainer.optimizer).__name__
    return (
        f"scale_batch={n}: batch_size {job.batch_size} -> {job.batch_size * n}, micro_batches "
        f"{job.micro_batches} -> {job.micro_batches * n}, learning rates x {growth.factor:.4g} "
        f"({growth.rule}, for {kind}), reached after {growth.warmup} steps of warm-up"
    )
