"""load: the model of a run that is over."""

import errno
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dtrain import jobfile, serialization
from dtrain.autograd import tensor
from dtrain.checked import model_of
from dtrain.errors import RunDirError
from dtrain.job import Job
from dtrain.nn import Module
from dtrain.rundir import RunDir


def load(
    run: str | Path | BinaryIO,
    which: str = "final",
    *,
    map_location: Any = None,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """What `dtrain.save` wrote, if `run` is a file; of a run's directory its model.

    run      a file or a file object: see `serialization.load`, also for the other arguments; or
             a run's directory: a Module with the run's weights, in training mode like a new one
    which    of a run's directory: "final", the weights at the end

    The model is built by the copies of the job's files in the run directory, or else by the files
    themselves. Raises FileNotFoundError; RunDirError for a directory without what is needed,
    JobError for a job that cannot be loaded.
    """
    if hasattr(run, "read") or Path(run).is_file():
        return serialization.load(run, map_location, weights_only=weights_only, mmap=mmap)
    assert isinstance(run, str | Path)
    if not Path(run).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(run))
    if which != "final":
        raise RunDirError(f"which must be 'final', not {which!r}")
    return _model_of(run)


def _model_of(run: str | Path) -> Module:
    """A run's model, with the weights at the end."""
    directory = RunDir.existing(run)
    weights, record = directory.read_final().weights, directory.read_run()
    if record.get("spec") is None:
        raise RunDirError(
            f"the job of {run} was not written in a file: build its model yourself, then "
            f"load_state_dict(safetensors.numpy.load_file('{run}/final.safetensors'))"
        )
    spec = jobfile.JobSpec.parse(record["spec"])
    copy = directory.source / (spec.place if spec.is_file else spec.place.replace(".", "/") + ".py")
    if spec.is_file:
        copy = directory.source / Path(spec.place).name
    if not copy.is_file():
        return model_with(_job(spec, record), weights)
    with _found_first_in(directory.source):
        place = str(copy) if spec.is_file else spec.place
        return model_with(_job(jobfile.JobSpec(place, record["job"]), record), weights)


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
