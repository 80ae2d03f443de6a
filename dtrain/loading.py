"""load: the model of a run. And what else is made of its directory: weights, job, the run again."""

import errno
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from dtrain import checkpoint, jobfile, serialization
from dtrain.autograd import tensor
from dtrain.checked import model_of
from dtrain.checkpoint import Checkpoints
from dtrain.errors import RunDirError
from dtrain.job import Job
from dtrain.nn import Module
from dtrain.resume import ARITHMETIC, Start
from dtrain.rundir import EMA, FINAL, INIT, Final, RunDir
from dtrain.settings import CLASSES, declared

Which: TypeAlias = str | int

_FLAGS = {ARITHMETIC: "--allow-drift"}


def load(
    run: str | Path | BinaryIO,
    which: Which = "final",
    *,
    map_location: Any = None,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """What `dtrain.save` wrote, if `run` is a file; of a run's directory its model.

    run      a file or a file object: see `serialization.load`, also for the other arguments; or
             a run's directory: a Module with the run's weights, in training mode like a new one
    which    of a run's directory: "final", the weights at the end; "best", the checkpoint with the
             best value of what the job monitors; "ema", the average (of a job with `ema`) at the
             end; or the number of steps after which a checkpoint was written

    The model is built by the copies of the job's files in the run directory, or else by the files
    themselves. Raises FileNotFoundError; RunDirError for a directory without what is needed,
    JobError for a job that cannot be loaded.
    """
    if hasattr(run, "read") or Path(run).is_file():
        return serialization.load(run, map_location, weights_only=weights_only, mmap=mmap)
    assert isinstance(run, str | Path)
    if not Path(run).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(run))
    directory = RunDir.existing(run)
    weights, _ = weights_of(directory, which)
    return model_with(job_of_run(directory), weights)


def weights_of(run: RunDir, which: Which) -> tuple[dict[str, np.ndarray], int]:
    """Weights of a run by name, and how many steps made them; `which` as `load` has it.

    A run that has not ended, or was killed, has no final weights and no average: those of its
    newest checkpoint are the last there are. Raises RunDirError if there are none.
    """
    match which:
        case "final" | "ema":
            name = FINAL if which == "final" else EMA
            state = None if (run.path / name).is_file() else _newest(run)
            if state is None:
                return _weights(run.read_weights(name))
            return _of_state(state) if which == "final" else _average_of(run, state)
        case "best":
            ranked = Checkpoints(run.path).ranked(_watched(run))
            if not ranked:
                raise RunDirError(f"{run.path}: no checkpoint of it was evaluated, so none is best")
            return _of_state(checkpoint.read(ranked[0]))
        case int() if not isinstance(which, bool):
            path = Checkpoints(run.path).path(which)
            if not path.is_file():
                steps = [checkpoint.version_of(file) for file in Checkpoints(run.path).all()]
                there = ", ".join(str(step) for step in sorted(filter(None, steps))) or "none"
                raise RunDirError(f"{run.path}: no checkpoint after {which} steps; there: {there}")
            return _of_state(checkpoint.read(path))
    raise RunDirError(f"which must be 'final', 'best', 'ema' or a number of steps, not {which!r}")


def job_of_run(run: RunDir) -> Job:
    """The job of a run with its settings, from the copies of its files. Raises RunDirError."""
    record = run.read_run()
    spec, folder = _place(run, record)
    if folder is None:
        return _job(spec, record)
    with _found_first_in(folder):
        return _job(spec, record)


class Again(NamedTuple):
    """What it takes to make a run again, and what should come out.

    doubts: what may be the cause if something else comes out
    """

    spec: str
    job: Job
    start: Start
    digest: str
    steps: int
    doubts: list[str]


def again(run: RunDir) -> Again:
    """A run to be made again from the copies of its job's files, up to the same step.

    Raises RunDirError for a run that has not ended, that made no step, whose job's files are not
    there, or that was resumed as another: no single run has its weights then.
    """
    record = run.read_run()
    result = record.get("result") or {}
    digest, steps = result.get("digest"), int(result.get("steps") or 0)
    if not digest:
        raise RunDirError(f"{run.path}: its state is '{record.get('state')}', it has no digest yet")
    if not steps:
        raise RunDirError(f"{run.path} ended before its first step: there is nothing to reproduce")
    spec, folder = _place(run, record)
    if folder is not None:
        _look_first_in(folder)
    job = _job(spec, record, uninterrupted=True)
    _require_one_plan(run, record, job)
    init = run.path / INIT
    start = Start(init=init if init.is_file() else None, stop_after=steps)
    return Again(str(spec), job, start, digest, steps, _doubts(record))


def _look_first_in(folder: Path) -> None:
    """For this process and those that it starts. The working directory, which `jobfile.load` would
    put in front, comes last: there may be newer versions of what was copied."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *paths, os.getcwd()])
    sys.path[:] = [str(folder), *sys.path, os.getcwd()]


def _require_one_plan(run: RunDir, record: Mapping[str, Any], job: Job) -> None:
    """Raises RunDirError for a run that went on as another than it began as."""
    depends_on_plan = type(job).lr_scheduler is not Job.lr_scheduler or job.scale_batch > 1
    for entry in record.get("resumed") or []:
        step, allowed = entry.get("step"), entry.get("allowed") or []
        if allowed:
            raise RunDirError(
                f"{run.path} was resumed at step {step} with "
                + " ".join(_FLAGS.get(kind, f"--allow-change {kind}") for kind in allowed)
                + ": not all of it was computed by what it is now, so one run cannot give its bits"
            )
        if _grown(entry) and depends_on_plan:
            raise RunDirError(
                f"{run.path} was resumed at step {step} with a longer plan ({_grown(entry)}), and "
                "learning rates may depend on the plan; reproduce the parts by hand: dtrain run "
                f"with the settings of each, the first with --stop-after {step}, then --resume"
            )


def _grown(entry: Mapping[str, Any]) -> str:
    """Which settings a resume has extended the run by, in words."""
    changed = entry.get("changed") or {}
    extended = {name: pair for name, pair in changed.items() if CLASSES.get(name) == "extends"}
    return ", ".join(f"{name} {before} -> {now}" for name, (before, now) in extended.items())


def _doubts(record: Mapping[str, Any]) -> list[str]:
    entries = record.get("resumed") or []
    grown = any(map(_grown, entries))
    drift = (record.get("result") or {}).get("drift")
    return [
        *(["its plan grew, which a job that reads total_steps notices"] if grown else []),
        *(["workers with other arithmetic took part in it"] if drift else []),
    ]


def _newest(run: RunDir) -> dict[str, Any] | None:
    """The newest checkpoint that is whole."""
    try:
        return Checkpoints(run.path).newest().state
    except OSError as error:
        raise RunDirError(f"a checkpoint of {run.path} cannot be read: {error}") from None


def _average_of(run: RunDir, state: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], int]:
    """The average in a checkpoint; it has trained parameters by one name each, so the model must
    say which tensors are tied, and the others are as the checkpoint has them."""
    if state["ema"] is None:
        raise RunDirError(f"{run.path} keeps no average: its job has no ema")
    weights, steps = _of_state(state)
    averages = state["ema"]["weights"]
    model = model_of(job_of_run(run))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for name, value in model.state_dict(keep_vars=True).items():
        average = averages.get(names.get(id(value)))
        if average is not None:
            weights[name] = average._array
    return weights, steps


def _weights(final: Final) -> tuple[dict[str, np.ndarray], int]:
    return final.weights, final.steps


def _of_state(state: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], int]:
    return {name: tensor._array for name, tensor in state["model"].items()}, state["version"]


def _watched(run: RunDir) -> str:
    return " ".join(str(run.read_run()["settings"].get("monitor", "min loss")).split())


def _place(run: RunDir, record: Mapping[str, Any]) -> tuple[jobfile.JobSpec, Path | None]:
    """Where a run's job is: in the copies of its files, whose folder is the second; or, where
    there are none, where it was. Raises RunDirError for a job that no file holds."""
    if record.get("spec") is None:
        raise RunDirError(
            f"the job of {run.path} was not written in a file: build its model yourself, then "
            f"load_state_dict(safetensors.numpy.load_file('{run.path}/final.safetensors'))"
        )
    spec = jobfile.JobSpec.parse(record["spec"])
    folder = run.source.resolve()
    copy = folder / Path(spec.place).name
    module = folder.joinpath(*spec.place.split("."))
    copies = (
        [copy] if spec.is_file else [module / "__init__.py", module.with_name(f"{module.name}.py")]
    )
    if not any(file.is_file() for file in copies):
        return spec, None
    name = record.get("job", spec.name)
    return jobfile.JobSpec(str(copy) if spec.is_file else spec.place, name), folder


def model_with(job: Job, weights: Mapping[str, np.ndarray]) -> Module:
    """The job's model with these weights, by the names of its `state_dict`."""
    model = model_of(job)
    model.load_state_dict({name: tensor(array) for name, array in weights.items()})
    return model


def _job(spec: jobfile.JobSpec, record: Mapping[str, Any], uninterrupted: bool = False) -> Job:
    """The job with the run's settings; or without those that only said when to pause, which the
    number of steps says better: a resume may have changed them."""
    cls, values = jobfile.load(spec), dict(record["settings"])
    if uninterrupted:
        known = declared(cls)
        optional = [n for n in ("max_seconds", "patience") if n in known and known[n].optional]
        values |= dict.fromkeys(optional)
    return cls(**values)


@contextmanager
def _found_first_in(folder: Path) -> Iterator[None]:
    """Import what a folder has from there, even if modules of these names are loaded already.

    Afterwards those have their names back. The folder stays the last place to look in, for what
    the model imports when it is called.
    """
    folder = folder.resolve()
    names = {path.stem for path in folder.iterdir()} - {"__main__"}
    known = [name for name in sys.modules if name.partition(".")[0] in names]
    aside = {name: sys.modules.pop(name) for name in known}
    places = list(sys.path)
    # The working directory last: `jobfile.load` would put it in front.
    sys.path[:] = [str(folder), *places, os.getcwd()]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.modules.update(aside)
        sys.path[:] = [*places, str(folder)] if str(folder) not in places else places
