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
from dtrain.resume import Start
from dtrain.rundir import EMA, FINAL, INIT, Final, RunDir

Which: TypeAlias = str | int


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

    A run that was killed has no final weights: those of its newest checkpoint are the last there
    are. Raises RunDirError if there are none.
    """
    match which:
        case "final" if not (run.path / FINAL).is_file():
            found = Checkpoints(run.path).newest()
            return _weights(run.read_final()) if found.state is None else _of_state(found.state)
        case "final":
            return _weights(run.read_final())
        case "ema":
            return _weights(run.read_weights(EMA))
        case "best":
            path = Checkpoints(run.path).best(_mode(run))
            if path is None:
                raise RunDirError(f"{run.path}: no checkpoint of it was evaluated, so none is best")
            return _of_state(checkpoint.read(path))
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
    """What it takes to make a run again, and what should come out."""

    spec: str
    job: Job
    start: Start
    digest: str


def again(run: RunDir) -> Again:
    """A run to be made again from the copies of its job's files, up to the same step.

    Raises RunDirError for a run that has not ended, or whose job's files are not there.
    """
    record = run.read_run()
    result = record.get("result") or {}
    if not result.get("digest"):
        raise RunDirError(f"{run.path}: its state is '{record.get('state')}', it has no digest yet")
    spec, folder = _place(run, record)
    if folder is not None:  # for the processes that we start
        os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *_paths()])
        sys.path.insert(0, str(folder))
    init = run.path / INIT
    start = Start(init=init if init.is_file() else None, stop_after=int(result["steps"]))
    return Again(str(spec), _job(spec, record), start, result["digest"])


def _paths() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _weights(final: Final) -> tuple[dict[str, np.ndarray], int]:
    return final.weights, final.steps


def _of_state(state: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], int]:
    return {name: tensor._array for name, tensor in state["model"].items()}, state["version"]


def _mode(run: RunDir) -> str:
    return str(run.read_run()["settings"].get("monitor", "min loss")).split()[0]


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
    copy = folder / (spec.place.replace(".", "/") + ".py")
    if spec.is_file:
        copy = folder / Path(spec.place).name
    if not copy.is_file():
        return spec, None
    return jobfile.JobSpec(str(copy) if spec.is_file else spec.place, record["job"]), folder


def model_with(job: Job, weights: Mapping[str, np.ndarray]) -> Module:
    """The job's model with these weights, by the names of its `state_dict`."""
    model = model_of(job)
    model.load_state_dict({name: tensor(array) for name, array in weights.items()})
    return model


def _job(spec: jobfile.JobSpec, record: Mapping[str, Any]) -> Job:
    return jobfile.load(spec)(**record["settings"])


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
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.modules.update(aside)
        sys.path[:] = [*places, str(folder)] if str(folder) not in places else places
