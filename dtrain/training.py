"""train: the way in from Python; and a run in this process, which the command line has too."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from dtrain import numerics
from dtrain.errors import JobError, RunError, SettingError, UserError
from dtrain.job import Job
from dtrain.jobfile import JobSpec, require_not_loading, sources, spec_of
from dtrain.loading import model_with
from dtrain.local import train_local
from dtrain.nn import Module
from dtrain.progress import console
from dtrain.recorder import Recorder
from dtrain.resume import Start, find
from dtrain.rundir import RUN, RunDir

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Result:
    """What came of a run.

    model      with the final weights
    history    the lines of metrics.jsonl: a dict for each step and each evaluation
    digest     SHA-256 of the final weights, 64 hex digits
    run_dir    where all of it is written
    steps      optimizer steps that were made
    eval       the metrics of the last evaluation; empty if there was none
    """

    model: Module = field(repr=False)
    history: list[dict[str, Any]] = field(repr=False)
    digest: str
    run_dir: Path
    steps: int
    eval: dict[str, float]


def train(
    job: Job,
    workers: int = 0,
    run_dir: str | Path | None = None,
    quiet: bool = False,
    data: str | Path | None = None,
    resume: str | Path | None = None,
    init: str | Path | None = None,
) -> Result:
    """Train a job, and wait for the end. The weights are the same bits for any number of workers.

    workers    0: in this process, with any job; N: in N processes, which import the job's file
    run_dir    a new or empty directory; by default runs/NAME-TIME
    quiet      print the digest alone
    data       the folder of the data, as `--data` says it
    resume     the directory of a run to go on with, or "last"; the job's settings may differ from
               its settings as far as they may change
    init       a safetensors file with the weights to begin with, by the names of `state_dict`: a
               PyTorch model's, final.safetensors of another run

    Raises UserError for a mistake in the job or the arguments, before work starts; RunError, or
    with workers=0 LeafError and NonFiniteError, for a run that failed; KeyboardInterrupt after
    Ctrl+C, SystemExit after SIGTERM or SIGHUP. The run directory is complete then, too.
    """
    require_not_loading("dtrain.train")
    _check(job, workers)
    if data is not None:
        job._use_data(data)
    require_one_start(resume, init, run_dir)
    spec = spec_of(job) if workers else None
    run = RunDir.create(run_dir, type(job).__name__) if resume is None else find(resume)
    start = Start(resume is not None, init)
    if spec is None:
        code = run_in_process(job, run, start, quiet=quiet)
    else:
        code = _train_with(workers, job, spec, run, start, quiet)
    return _result(job, run, code)


def require_one_start(resume: Any, init: Any, run_dir: Any) -> None:
    """Raises UserError for beginnings that exclude each other."""
    if resume is not None and init is not None:
        raise UserError("a run that is resumed has its weights: leave out either resume or init")
    if resume is not None and run_dir is not None:
        raise UserError("a run that is resumed has its directory: leave out either one")


def _check(job: Any, workers: Any) -> None:
    if isinstance(job, type) and issubclass(job, Job):
        raise JobError(f"train takes a job, not its class: write train({job.__name__}())")
    if not isinstance(job, Job):
        raise JobError(f"train takes an instance of a dtrain.Job, not {type(job).__name__}")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise UserError(f"workers must be an integer, at least 0, not {workers!r}")


def run_in_process(
    job: Job, run: RunDir, start: Start, json: bool = False, quiet: bool = False
) -> int:
    """`dtrain run --workers 0`; the exit code: 0, or 128 + n after signal n. Raises as `train`."""
    recorder = Recorder(run, console(json=json, quiet=quiet), job=job)
    try:
        run.lock()
        _pin(job)
        with _stopping_on_signals(recorder) as caught:
            train_local(job, recorder, *_origin(job), resumption=start.read(run))
    except BaseException as error:
        _record_failure(recorder, run, error)
        raise
    finally:
        run.unlock()
    return 128 + caught[0] if caught and recorder.result["state"] == "stopped" else 0


def _pin(job: Job) -> None:
    """Make this process's arithmetic the job's, as far as that is possible after the start."""
    needed = numerics.pins(job.blas_threads, job.numerics)
    late = {name: needed[name] for name in (numerics.KERNEL, numerics.FEATURES) if name in needed}
    if any(os.environ.get(name) != value for name, value in late.items()):
        words = " ".join(f'{name}="{value}"' for name, value in late.items())
        raise SettingError(
            f"numerics='{job.numerics}' must be known before NumPy is loaded; start Python with "
            f"{words}, or use the command line: dtrain run"
        )
    numerics.limit_threads(job.blas_threads)


def _origin(job: Job) -> tuple[str | None, dict[str, str]]:
    """Where the job was read from, and the hashes of its files, if it has any."""
    try:
        spec = spec_of(job)
    except JobError:  # of a notebook: good enough for one process
        return None, {}
    return str(spec), sources(spec)


def _record_failure(recorder: Recorder, run: RunDir, error: BaseException) -> None:
    """Close the files of a run that had only just started; of another one leave nothing behind."""
    if not (run.path / RUN).exists():
        run.discard()
    elif recorder.is_started and run.read_run().get("state") == "running":
        recorder.finished("failed", None, error=str(error) or type(error).__name__)


@contextlib.contextmanager
def _stopping_on_signals(recorder: Recorder) -> Iterator[list[int]]:
    """The first SIGINT, SIGTERM or SIGHUP ends the run after its step, a second one at once.

    Yields the signals that came. Python lets only the main thread do this; elsewhere signals
    remain whose they were. An ignored SIGHUP (nohup) stays ignored.
    """
    caught: list[int] = []
    before: dict[signal.Signals, Handler] = {}

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        if not recorder.is_started:  # the job is still being built: there is nothing to keep
            signal.raise_signal(number)
            return
        caught.append(number)
        recorder.request_stop(signal.Signals(number).name)

    if threading.current_thread() is threading.main_thread():
        before = _handlers()
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, stop)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handlers() -> dict[signal.Signals, Handler]:
    """What the signals do now; the default for one that Python has not set."""
    return {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}


def _train_with(
    workers: int, job: Job, spec: JobSpec, run: RunDir, start: Start, quiet: bool
) -> int:
    from dtrain.launch import local

    if threading.current_thread() is not threading.main_thread():
        raise UserError("train with workers must be called in the main thread, for its signals")
    data = job._data_dir
    before = _handlers()
    try:
        return local.run(
            local.LocalRun(
                job=str(spec),
                workers=workers,
                settings=job.settings(),
                run_dir=run.path,
                data=None if data is None else str(data),
                start=start,
                quiet=quiet,
            )
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _result(job: Job, run: RunDir, code: int) -> Result:
    """Read what the run wrote. Raises what `train` says for a run that did not end well."""
    if not (run.path / RUN).exists():
        run.discard()
        raise RunError(f"the run did not start (exit code {code}); its message is above")
    result = run.read_run().get("result") or {}
    if code > 128:
        if code == 128 + signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(code)
    if code != 0 or result.get("state") == "failed" or not result:
        reason = result.get("error") or f"the coordinator ended with exit code {code}"
        raise RunError(f"{reason} (run directory: {run.path})")
    return Result(
        model=model_with(job, run.read_final().weights),
        history=run.metrics(),
        digest=result["digest"],
        run_dir=run.path,
        steps=result["steps"],
        eval=result["eval"],
    )
