"""Loading a job: from a file or a module, by the words of the command line. And which it was.

JOB.py, JOB.py:Class, package.module:Class
"""

import hashlib
import importlib
import inspect
import itertools
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NoReturn, TypeGuard

from dtrain.errors import JobError, UserError
from dtrain.job import Job
from dtrain.sources import FOREIGN, OURS, files_of, modules_on_the_way

FORMS = "JOB.py, JOB.py:Class or package.module:Class"

_numbers = itertools.count(2)
_loading: list[str] = []  # the jobs whose files are being run


@dataclass(frozen=True)
class JobSpec:
    """Where a job's class is: `place` is a .py file or a module's dotted name."""

    place: str
    name: str | None = None  # None: the file's only job

    @classmethod
    def parse(cls, text: str) -> "JobSpec":
        """Raises JobError if the text has none of the three forms."""
        place, colon, name = text.rpartition(":")
        if not colon:
            place, name = text, ""
        if colon and not name.isidentifier():
            raise JobError(f"'{text}' has no class's name after the colon; write {FORMS}")
        if place.endswith(".py"):
            return cls(place, name or None)
        if Path(f"{place}.py").is_file():
            raise JobError(f"'{text}' is no job; did you mean {place}.py{colon}{name}?")
        if not all(part.isidentifier() for part in place.split(".")) or not name:
            raise JobError(f"'{text}' is no job; write {FORMS}")
        return cls(place, name)

    @property
    def is_file(self) -> bool:
        """Whether the place is a file, and no module."""
        return self.place.endswith(".py")

    def __str__(self) -> str:
        return f"{self.place}:{self.name}" if self.name else self.place


class FromSource(SourceFileLoader):
    """Compiles the file each time: what is hashed is what runs. Bytecode in a cache is trusted by
    its time in whole seconds and its size, and may be of an earlier text."""

    def path_stats(self, path: str) -> NoReturn:
        """Not known, so that no cache is used."""
        raise OSError(path)


def load(spec: JobSpec) -> type[Job]:
    """The job's class. Its file is run, with its folder first on `sys.path`, as Python does.

    Raises JobError if the file is missing, raises, or has no job or too many of that name; the
    cause of an exception in the file is that exception, with its traceback.
    """
    module = _module_of_file(Path(spec.place)) if spec.is_file else _module_of_name(spec)
    return _class_in(module, spec)


def source_files(spec: JobSpec) -> dict[str, Path]:
    """The job's file, and every file that it imports from its own folder or package.

    The key is the path from that folder, with /; so it is the same on every host. Raises JobError
    if the job's file is missing.
    """
    if spec.is_file:
        file = _existing(Path(spec.place))
        return files_of(file, file.parent)
    places = sys.path if os.getcwd() in sys.path else ["", *sys.path]  # as it is imported
    for folder in map(Path, places):
        folder = folder.resolve()
        found = modules_on_the_way(spec.place, folder)
        if found and spec.place.rpartition(".")[2] in (found[-1].stem, found[-1].parent.name):
            return files_of(found[-1], folder, spec.place.partition(".")[0])
    raise _no_module(spec)


def sources(spec: JobSpec) -> dict[str, str]:
    """The SHA-256 of each of `source_files`, in hex."""
    files = source_files(spec)
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


def spec_of(job: Job | type[Job]) -> JobSpec:
    """How another process finds a job's class, from this working directory.

    Raises JobError for a class that no other process can import, and says what to do.
    """
    cls = job if isinstance(job, type) else type(job)
    if cls.__qualname__ != cls.__name__:
        raise JobError(
            f"{cls.__qualname__} is not at the top level of its file, where workers look for it; "
            "move it there, or train with workers=0"
        )
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        raise JobError(
            f"{cls.__name__} was defined in a notebook or at a prompt, where workers cannot import "
            f"it: write the class to a file, say {cls.__name__.lower()}.py (in a notebook: "
            f"%%writefile), and import it from there; or train with workers=0"
        )
    if getattr(module, cls.__name__, None) is not cls:
        raise JobError(f"{file} has another {cls.__name__} than the one that was given")
    name = _dotted_name(module)
    return JobSpec(name if "." in name else _short(Path(file)), cls.__name__)


def require_not_loading(caller: str) -> None:
    """Raise JobError while a job's file is being run: it would start itself again and again."""
    if _loading:
        raise JobError(
            f"{_loading[-1]} calls {caller} when it is imported; "
            'put the call under `if __name__ == "__main__":`'
        )


def _module_of_file(path: Path) -> ModuleType:
    file = _existing(path)
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    name = _free_name(file.stem)
    found = spec_from_file_location(name, file, loader=FromSource(name, str(file)))
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        with _job_errors(path):
            found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_of_name(spec: JobSpec) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        with _job_errors(spec.place):
            return importlib.import_module(spec.place)
    except JobError as error:
        cause = error.__cause__
        missing = f"{cause.name}." if isinstance(cause, ModuleNotFoundError) else None
        if missing is not None and f"{spec.place}.".startswith(missing):
            raise _no_module(spec) from cause
        raise


def _no_module(spec: JobSpec) -> JobError:
    return JobError(
        f"there is no module {spec.place}, neither here ({os.getcwd()}) nor installed; "
        "go to the folder that its package is in, or write JOB.py:Class"
    )


def _existing(path: Path) -> Path:
    if path.is_file():
        return path.resolve()
    if path.exists():
        raise JobError(f"{path} is no file")
    raise JobError(f"there is no file {path}" + ("" if path.is_absolute() else f" in {Path.cwd()}"))


def _free_name(stem: str) -> str:
    """The file's stem, as when Python itself imports it, unless another module has that name."""
    if stem not in sys.modules and stem not in sys.stdlib_module_names:
        return stem
    prefixed = f"dtrain_job_{stem}"
    return prefixed if prefixed not in sys.modules else f"{prefixed}_{next(_numbers)}"


@contextmanager
def _job_errors(place: str | Path) -> Iterator[None]:
    """Turn what running a job's file raises into a JobError that says where."""
    _loading.append(str(place))
    try:
        yield
    except UserError:
        raise  # it says already what to do
    except (Exception, SystemExit) as error:
        raise JobError(f"{place} cannot be imported: {_in_one_line(error)}") from error
    finally:
        _loading.pop()


def _in_one_line(error: BaseException) -> str:
    """The exception and the user's line that it came from."""
    text = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError) and error.filename:
        return f"{text} ({_short(Path(error.filename))}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_of_the_user(Path(frame.filename))]
    return f"{text} ({_short(Path(theirs[-1].filename))}:{theirs[-1].lineno})" if theirs else text


def _is_of_the_user(file: Path) -> bool:
    libraries = (OURS, Path(os.__file__).parent)
    return file.is_file() and not (FOREIGN & {*file.parts} or {*libraries} & {*file.parents})


def _class_in(module: ModuleType, spec: JobSpec) -> type[Job]:
    if spec.name is not None:
        found = getattr(module, spec.name, None)
        if inspect.isclass(found) and _is_job(found):
            return found
        wrong = "there is none in it" if found is None else "it is no dtrain.Job"
        raise JobError(f"{spec}: {wrong}; {_what_it_has(module)}")
    jobs = [cls for cls in _own_classes(module) if _is_job(cls)]
    if len(jobs) == 1:
        return jobs[0]
    if not jobs:
        raise JobError(f"{spec.place} has no subclass of dtrain.Job; {_what_it_has(module)}")
    choices = " or ".join(f"{spec.place}:{cls.__name__}" for cls in jobs)
    raise JobError(f"{spec.place} has {len(jobs)} jobs; write {choices}")


def _what_it_has(module: ModuleType) -> str:
    names = [cls.__name__ for cls in _own_classes(module)]
    return f"its classes: {', '.join(names)}" if names else "it has no classes"


def _own_classes(module: ModuleType) -> list[type]:
    """The classes that a module defines, in the order of writing; imported ones do not count."""
    classes = [cls for cls in vars(module).values() if inspect.isclass(cls)]
    return [cls for cls in dict.fromkeys(classes) if cls.__module__ == module.__name__]


def _is_job(cls: type) -> TypeGuard[type[Job]]:
    return issubclass(cls, Job) and cls is not Job


def _dotted_name(module: ModuleType | None) -> str:
    """A module's name; for `python -m package.module` the one that it was started by."""
    spec = getattr(module, "__spec__", None)
    return str(spec.name if spec is not None else getattr(module, "__name__", ""))


def _short(path: Path) -> str:
    """A path from the working directory if it is below, else as it is."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
