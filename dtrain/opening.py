"""The beginning and the end of a run, which one process and a coordinator have in common."""

from collections.abc import Mapping

import numpy as np

from dtrain.errors import NonFiniteError, RunDirError
from dtrain.gradsum import ChunkSum
from dtrain.leaf import LeafComputer
from dtrain.numerics import explain_difference
from dtrain.recorder import MAX_SECONDS, Recorder, State
from dtrain.records import RunInfo
from dtrain.resume import Resumption, merged, require_same, restore
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
        resumed=resumption.version if resumption.is_resumed else None,
    )


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
        recorder.run_dir.cut_metrics(trainer.version, trainer.evaluated)
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
) -> None:
    """Checkpoint, weights, digest and result of a run that is over, however it went."""
    saver.finish()
    recorder.finished(
        "failed" if saver.failed is not None else state,
        trainer.digest(),
        trainer.state_dict(),
        steps=trainer.version,
        error=error or saver.failed,
        average=trainer.average_state_dict(),
    )


def end_state(trainer: Trainer, reason: str | None) -> State:
    """How run.json calls the end of a run that did not fail."""
    is_whole = trainer.version == trainer.computer.schedule.steps and trainer.evaluated
    is_enough = reason is not None and reason in (MAX_SECONDS, trainer.monitor.is_exhausted)
    return "finished" if is_whole or is_enough else "stopped"


def blamed(trainer: Trainer, error: NonFiniteError) -> NonFiniteError:
    """The same error with the first leaf whose gradient is not finite: found by computing them all
    again. Without one where only their sum is not."""
    computer = trainer.computer
    for leaf in range(computer.schedule.leaves(error.step)):
        value = computer.train(error.step, leaf)
        chunks = [part for part in value.parts if isinstance(part, ChunkSum)]
        if not all(np.isfinite(part.grad).all() for part in chunks):
            return NonFiniteError(error.step, error.parameter, leaf)
    return error


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
