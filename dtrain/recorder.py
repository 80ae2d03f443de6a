"""Recorder: what a run tells its directory and its console. One process or many use the same.

The loop that trains (`dtrain.local`, or the coordinator's shell) calls `started` once, `step` and
`evaluated` as they happen, `event` for everything else, and `finished` once; it asks
`stop_requested` after each step.
"""

import copy
import os
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from dtrain.checked import calling
from dtrain.errors import RunError
from dtrain.job import Job
from dtrain.jobfile import JobSpec, source_files
from dtrain.provenance import git_state, machine
from dtrain.records import RunInfo, StepRecord
from dtrain.rundir import RunDir

State = Literal["finished", "stopped", "failed"]
MAX_SECONDS = "max_seconds"


class Console(Protocol):
    """Where a person reads about a run."""

    def started(self, info: RunInfo) -> None: ...

    def step(self, record: StepRecord, samples_per_second: float) -> None: ...

    def evaluated(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def line(self, text: str) -> None: ...

    def finished(self, result: Mapping[str, Any]) -> None: ...


class Recorder:
    """Writes a run directory (or none), feeds a console, and calls the job's callbacks.

    Also carries the wish to stop. What a callback raises becomes a JobError.
    """

    def __init__(
        self,
        run_dir: RunDir | None,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        job: Job | None = None,
    ) -> None:
        self.run_dir, self.console = run_dir, console
        # Callbacks have a job of their own: in most runs the job that computes is in another
        # process, so what they set on theirs must not be seen by `loss` in any.
        self._job = copy.copy(job)
        self.history: list[dict[str, Any]] = []
        self.result: dict[str, Any] = {}
        self.eval: dict[str, float] = {}
        self._eval_steps: int | None = None
        self._clock, self._started_at = clock, clock()
        self._info: RunInfo | None = None
        self._last: StepRecord | None = None
        self._samples, self._training_s = 0, 0.0
        self._stop: str | None = None
        self._drifted: list[str] = []  # workers with other arithmetic that were accepted
        self._lost = 0  # lines of metrics.jsonl that could not be written

    def started(self, info: RunInfo) -> None:
        """The job is built and checked; the first step comes next."""
        self._info, self._started_at = info, self._clock()
        if self.run_dir is not None:
            _write_start(self.run_dir, info)
        self.console.started(info)

    def step(self, record: StepRecord) -> None:
        """A step was committed."""
        self._last = record
        self._samples += record.samples
        self._training_s += record.seconds
        self._keep(_line(record))
        self.console.step(record, self.samples_per_second)
        if record.skipped is not None:
            text = f"step {record.step} is skipped, the weights stay: {record.skipped}"
            self.event("skipped", text, step=record.step)
        if self._job is not None:
            with calling(f"{type(self._job).__name__}.on_step"):
                self._job.on_step(record)

    def evaluated(self, step: int, metrics: Mapping[str, float], digest: str) -> None:
        """The weights after this step were evaluated; `digest` is theirs."""
        self.eval, self._eval_steps = dict(metrics), step + 1
        self._keep({"step": step, "eval": self.eval, "digest": digest})
        self.console.evaluated(step, metrics)
        if self._job is not None:
            with calling(f"{type(self._job).__name__}.on_eval"):
                self._job.on_eval(step, dict(metrics))

    def saved(self, steps: int, path: Path) -> None:
        """A checkpoint of the weights that `steps` steps made is on the disk."""
        if self.run_dir is not None:
            text = f"checkpoint after {steps} steps: {path.name}"
            self._append_event({"event": "checkpoint", "text": text, "steps": steps})
        if self._job is not None:
            with calling(f"{type(self._job).__name__}.on_checkpoint"):
                self._job.on_checkpoint(path)

    def event(self, kind: str, text: str | None = None, **fields: Any) -> None:
        """Something that is neither a step nor an evaluation: a join, a loss, a refusal."""
        if kind == "drift":
            self._drifted.append(str(fields.get("worker")))
        if self.run_dir is not None:
            extra = {} if text is None else {"text": text}
            self._append_event({"event": kind, **extra, **fields})
        trace = str(fields.pop("trace", "")).rstrip()
        words = [f"{name}={value}" for name, value in fields.items()]
        line = text if text is not None else " ".join([kind, *words])
        self.console.line(f"{line}\n{trace}" if trace else line)

    def finished(
        self,
        state: State,
        digest: str | None,
        weights: Mapping[str, np.ndarray] | None = None,
        steps: int | None = None,
        error: str | None = None,
        average: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, Any]:
        """The run is over: write the weights (`state_dict` order), close run.json, say so.

        Raises RunError, after all that can be done is done, for what could not be written.

        `steps` is the number of committed steps, by default that of the last record. Returns the
        result, which is also what `--json` prints.
        """
        if steps is None:
            steps = 0 if self._last is None else self._last.step + 1
        self.result = self._result(state, digest, steps, error)
        failure = self._write_end(weights, average)
        self.console.finished(self.result)
        if failure is not None:
            raise failure
        return self.result

    def _write_end(
        self,
        weights: Mapping[str, np.ndarray] | None,
        average: Mapping[str, np.ndarray] | None,
    ) -> RunError | None:
        """The files of the end; why they could not be written, which makes it a failed run."""
        if self.run_dir is None:
            return None
        failure, result = None, self.result
        try:
            if weights is not None and result["digest"] is not None:
                self.run_dir.write_final(weights, result["digest"], result["steps"])
            if average is not None:
                self.run_dir.write_ema(average, result["steps"])
        except RunError as error:
            failure = error
            self.result = {**result, "state": "failed", "error": result.get("error") or str(error)}
        try:
            self.run_dir.update_run(state=self.result["state"], result=self.result)
        except RunError as error:
            failure = failure or error
        return failure

    @property
    def is_started(self) -> bool:
        """Whether `started` was called: from then on there is something to end properly."""
        return self._info is not None

    @property
    def samples_per_second(self) -> float:
        """Training samples over the seconds of their steps."""
        return self._samples / self._training_s if self._training_s > 0 else 0.0

    def request_stop(self, reason: str) -> None:
        """Ask the loop to end after the step under way; safe in a signal handler."""
        self._stop = self._stop or reason

    def stop_requested(self) -> str | None:
        """Why the loop should end now, or None: a signal, `dtrain stop`, or max_seconds."""
        limit = None if self._info is None else self._info.settings.get("max_seconds")
        is_over = limit is not None and self._clock() - self._started_at >= limit
        return self._stop or (MAX_SECONDS if is_over else None)

    def _resume_command(self) -> str | None:
        """What goes on with this run; None where there is nothing to go on with."""
        if self.run_dir is None or self._info is None or self._info.spec is None:
            return None
        data = None if self._job is None else self._job._data_dir
        folder = "" if data is None else f" --data {_quoted(data)}"
        return f"dtrain run --resume {_quoted(self.run_dir.path)}{folder}"

    def _keep(self, line: dict[str, Any]) -> None:
        self.history.append(line)
        if self.run_dir is None:
            return
        try:
            self.run_dir.append_metrics(line)
        except RunError as error:
            self._lost += 1
            if self._job is None or self._job.on_checkpoint_error == "stop":
                raise
            if self._lost & (self._lost - 1) == 0:  # the 1st, 2nd, 4th, 8th ...
                self.console.line(f"{error}; lines lost so far: {self._lost}; training goes on")

    def _append_event(self, event: Mapping[str, Any]) -> None:
        """An event that cannot be written is no reason to end a run; the console has it."""
        assert self.run_dir is not None
        with suppress(RunError):
            self.run_dir.append_event(event)

    def _result(
        self, state: State, digest: str | None, steps: int, error: str | None
    ) -> dict[str, Any]:
        last, info = self._last, self._info
        return {
            "job": None if info is None else info.job,
            "state": state,
            "steps": steps,
            "epochs": 0 if last is None else last.epoch + 1,
            "loss": None if last is None else last.loss,
            "eval": self.eval,
            "eval_steps": self._eval_steps,
            "digest": digest,
            "seconds": round(self._clock() - self._started_at, 3),
            "samples_per_second": round(self.samples_per_second, 1),
            "workers": None if info is None else info.workers,
            "run_dir": None if self.run_dir is None else str(self.run_dir.path),
            **({} if error is None else {"error": error}),
            **({} if state == "finished" else {"resume": self._resume_command()}),
            **({"drift": self._drifted} if self._drifted else {}),
        }


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _line(record: StepRecord) -> dict[str, Any]:
    """A line of metrics.jsonl: the record's fields, as far as they say something, then the logs."""
    fields = asdict(record)
    logs = fields.pop("logs")
    optional = ("grad_norm", "skipped")
    fields = {n: v for n, v in fields.items() if n not in optional or v is not None}
    return {**fields, **{name: logs[name] for name in logs if name not in fields}}


def _write_start(run_dir: RunDir, info: RunInfo) -> None:
    """What is known of the run, of the machine, and of the job's files, which are copied."""
    fields = {name: v for name, v in asdict(info).items() if v not in (None, {}, "")}
    fields |= {"seed": info.settings.get("seed"), "machine": machine(), "pid": os.getpid()}
    if info.resumed is not None:
        fields["resumed"] = [*run_dir.read_run().get("resumed", []), info.resumed]
        fields["result"] = None
    if info.spec is not None:
        files = source_files(JobSpec.parse(info.spec))
        run_dir.save_sources(files)
        fields["git"] = git_state(next(iter(files.values())).parent)
    run_dir.update_run(**fields, state="running")
